"""Whether the host has to be rebooted, why, and whether live patches let it wait."""

from __future__ import annotations

import re
from typing import Any

from opsrunner.audits.answer import Answer, Section
from opsrunner.audits.seen import Host, Seen
from opsrunner.model.finding import Finding, Severity
from opsrunner.records import dataclass

OF_A_KERNEL = re.compile(r"linux-|kernel\b")


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """The kernel that runs, and the newest installed one of its kind."""

    running: str
    newest: str
    """'' where none is installed: the kernel is not the host's own."""
    rebuilt: str = ""
    """The version of the running kernel's package, where that was replaced under the same name."""
    is_urgent: bool = False
    """The newest came from a security update."""

    @property
    def reason(self) -> str:
        if self.newest and order_of(self.newest) > order_of(self.running):
            return f"runs {self.running}, newest installed is {self.newest}"
        return f"{self.running} runs as it was before {self.rebuilt} was installed" if self.rebuilt else ""


def see_reboot(host: Host, answer: Answer) -> Seen:
    """Return one finding with all reasons there are for a reboot."""
    section = answer.sections.get("reboot")
    if section is None:
        return Seen(problems=("whether a reboot is needed did not arrive whole",))
    kernels = read_kernels(host, section)
    patched = live_patches(section, kernels.running)
    asked = {line.strip() for kind in ("asked", "core") for line in section.of(kind)} - {""}
    reasons = [kernels.reason] if kernels.reason else []
    others = sorted(name for name in asked if not OF_A_KERNEL.match(name))
    if is_asked(section) and (others or not reasons):
        reasons.append(f"asked for by {', '.join(others or sorted(asked)) or 'the system'}")
    facts: dict[str, Any] = {"newest_kernel": kernels.newest, "reboot": bool(reasons), "live_patching": patched}
    needs = section.of("needs-restarting")
    problems: tuple[str, ...] = ()
    if not set(needs) <= {"0", "1"}:
        problems = (f"needs-restarting -r ended with exit status {needs[0]}",)
    if section.says("boot unreadable") and not host.system.is_container:
        problems = (*problems, "which kernels are installed is not known: this account may not read /boot")
    examined = frozenset() if problems else frozenset({"reboot"})
    if not reasons:
        return Seen(examined=examined, facts=facts, problems=problems)
    only_kernel = bool(kernels.reason or asked) and not others
    finding = said_reboot(host, reasons, kernels, patched if only_kernel else "")
    return Seen(examined=examined, findings=(finding,), facts=facts, problems=problems)


def is_asked(section: Section) -> bool:
    """Tell whether the system itself asks for a reboot."""
    return section.says("required") or "1" in section.of("needs-restarting")


def said_reboot(host: Host, reasons: list[str], kernels: Kernels, patched: str) -> Finding:
    """Return the finding; `patched` names the live patches where they cover all there is to reboot for."""
    detail, mark = "; ".join(reasons), kernels.newest if kernels.reason else ""
    if patched:
        detail = f"{detail}; live patched ({patched}), so that it can wait for a window"
        return host.finding("reboot", "", Severity.LOW, detail, mark)
    if kernels.is_urgent:
        return host.finding("reboot", "", Severity.HIGH, f"{detail}; it was a security update", mark)
    return host.finding("reboot", "", Severity.MEDIUM, detail, mark)


def read_kernels(host: Host, section: Section) -> Kernels:
    """Return the kernels; a container runs another system's, whatever lies in its own /boot."""
    running = host.system.kernel
    if host.system.is_container:
        return Kernels(running=running, newest="")
    same_kind = [name for name in section.of("kernel") if kind_of(name) == kind_of(running) and "rescue" not in name]
    newest = max(same_kind, key=order_of, default="")
    image = next(iter(section.of("image")), "")
    built = re.search(r"Debian (\S+)", host.system.build)
    return Kernels(
        running=running,
        newest=newest,
        rebuilt=image if image and built and built[1] != image else "",
        is_urgent=newest in section.of("urgent"),
    )


def kind_of(release: str) -> tuple[str, ...]:
    """Return what tells apart kernels that do not replace one another: `amd`, `cloud`, `generic`, `uek`, `lve`."""
    return tuple(re.findall(r"[a-z]+", release))


def order_of(release: str) -> tuple[int, ...]:
    """Return the numbers of a kernel's release, without those of the system and machine that it is for."""
    numbers = re.match(r"[\d.+~_-]*", release)
    return tuple(int(number[:18]) for number in re.findall(r"\d+", numbers[0], re.ASCII)) if numbers else ()


def live_patches(section: Section, running: str) -> str:
    """Return what patches the running kernel, '' where nothing does."""
    kernelcare = next(iter(section.of("kernelcare")), "").strip()
    if re.match(r"\d", kernelcare) and kernelcare != running:
        return f"KernelCare {kernelcare}"
    loaded = [line.split(" ") for line in section.of("live")]
    return ", ".join(sorted(words[0] for words in loaded if words[-1] == "1"))[:120]
