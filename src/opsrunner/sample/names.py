"""What things and people of the invented company are called."""

from __future__ import annotations

# fmt: off
FIRST_WORDS = (
    "Amber", "Birch", "Coast", "Delta", "Ember", "Fjord", "Granite", "Harbour", "Islet", "Juniper", "Kelp",
    "Lantern", "Meadow", "North", "Otter", "Pine", "Quarry", "Rowan", "Spruce", "Tidal", "Upland", "Valley", "Willow",
    "Yarrow", "Alder", "Brook", "Cedar", "Dune", "Fern", "Heather",
)
SECOND_WORDS = (
    "Bakery", "Books", "Boats", "Choir", "Clinic", "Coffee", "Dental", "Film", "Florist", "Gallery", "Joinery",
    "Kayaks", "Legal", "Music", "Optics", "Pottery", "Running", "Studio", "Tools", "Travel", "Wool", "Yoga",
    "Archive", "Bicycles", "Ceramics", "Framing", "Garden", "Hostel", "Tea", "Toys",
)
# fmt: on
PAIRS = len(FIRST_WORDS) * len(SECOND_WORDS)
_STRIDE = 271  # shares no divisor with PAIRS, so that no pair comes twice before all have come

HOSTILE = (
    "{{7*7}} Fjord Data",
    "<b>Bold</b> & Sons",
    'Larsen, "Lille" & Co, AS',
    "Blåbær og Ærlighet Østfold",
    "שלום ספרים",
    "O'Brien'; DROP TABLE customers;--",
    '=HYPERLINK("http://evil.example","Click")',
    "The Society for the Preservation of Exceedingly Long Company Names, " * 2
    + "Limited, with Branches in Oslo, Bergen, Trondheim and Svolvær Today",
    "<script>alert(1)</script> Studio",
    "{% for x in range(9) %}Wool{% endfor %}",
    "Nakamura 中村 & Søn 🌊",
    "\u202egnitsoh\u202c Mirror Hosting",
)
"""Names that some customer always has, so that whatever shows names is tried with them every day."""
HOSTILE_EVERY = 23

PRODUCTS = {"Starter": 590, "Business": 1490, "Agency": 3900, "Server M": 8900, "Server L": 15900}
"""What is sold, and what a year of it costs."""
BY_HAND = frozenset({"Server M", "Server L"})
"""Products that the order form cannot create by itself."""
HOSTS = tuple(f"web{number}" for number in range(1, 33)) + tuple(f"vps{number}" for number in range(1, 9))
TEMPLATES = ("Debian 11", "Debian 12", "Ubuntu 22.04 LTS", "Ubuntu 24.04 LTS", "AlmaLinux 9")
STAFF = ("ops1", "ops2", "desk")
PARTNER_STAFF = ("partner-a", "partner-b")


def name_of(number: int, *, seed: int) -> str:
    """Return the name of the company's customer with that number; some are hostile."""
    if number % HOSTILE_EVERY == HOSTILE_EVERY // 2:
        return HOSTILE[number // HOSTILE_EVERY % len(HOSTILE)]
    first, second, times = _words(number, seed)
    return f"{first} {second}" + (f" {times + 1}" if times else "")


def domain_of(number: int, *, seed: int) -> str:
    """Return the first domain of the customer with that number; no other customer has it."""
    first, second, times = _words(number, seed)
    return f"{first.lower()}-{second.lower()}{times + 1 if times else ''}.example"


def _words(number: int, seed: int) -> tuple[str, str, int]:
    times, within = divmod(number, PAIRS)
    first, second = divmod((within * _STRIDE + seed) % PAIRS, len(SECOND_WORDS))
    return FIRST_WORDS[first], SECOND_WORDS[second], times
