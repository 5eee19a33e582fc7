"""The peer of `backup`: standard input into an object by boto3, with what it does unless it is told otherwise.

peer_upload.py ENDPOINT BUCKET KEY
"""

from __future__ import annotations

import sys

import boto3


def main(endpoint: str, bucket: str, key: str) -> None:
    boto3.client("s3", endpoint_url=endpoint).upload_fileobj(sys.stdin.buffer, bucket, key)


if __name__ == "__main__":
    main(*sys.argv[1:])
