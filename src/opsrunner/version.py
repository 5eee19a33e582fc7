"""The program's version, read without looking into installed packages."""

VERSION = "0.6.0"
