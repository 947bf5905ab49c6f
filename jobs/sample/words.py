"""The vocabulary of the estate: names of services, systems, teams and people. None of them says how a service fares."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SUBJECTS = _words(
    "account address agreement asset audience badge basket billing booking branch budget calendar campaign card cargo "
    "catalog claim client comment contract coupon courier currency customer delivery deposit device discount document "
    "email event export fare fleet forecast form gallery geo gift identity image import inventory invoice journey "
    "label lead ledger license listing loan location loyalty mail map media member menu merchant message offer order "
    "parcel partner payment payout permit photo policy price product profile promo quote rating receipt refund region "
    "reminder rental report review reward route schedule search seat segment session shipment slot stock supplier "
    "tariff tax ticket timeline tour transfer trip vehicle vendor video voucher wallet warehouse webhook wishlist"
)
FUNCTIONS = _words(
    "api archive backend broker builder cache center checker collector composer connector core crawler desk "
    "dispatcher editor engine enricher exporter finder forwarder gateway hub index ingest keeper linker loader "
    "lookup mailer manager mapper matcher notifier observer planner poller portal processor proxy publisher reader "
    "recorder registry relay renderer reporter resolver router scanner scheduler scorer sender server service signer "
    "sorter stream sync tagger tracker updater uploader validator viewer watcher worker writer"
)
SYSTEMS = _words(
    "arrivals back-office backbone benefits boarding box-office commerce concierge content delivery-network dispatch "
    "exchange field-service finance front-office fulfilment growth guest-care help-desk hospitality inbound insights "
    "leasing logistics marketplace membership merchandising messaging mobility onboarding operations outbound "
    "partnerships payments people-hub planning platform pricing procurement publishing rail rentals reservations "
    "returns sales settlement shop storefront studio subscriptions supply travel trust utilities workshop yard"
)
REGIONS = ("eu", "us", "apac", "latam")

FIRST_NAMES = _words(
    "Ada Amir Anna Bela Carla Chen Dario Edda Emeka Farah Femi Greta Hana Ines Ivo Jonas Kaito Lena Luca Maja Mila "
    "Nadia Noor Olga Otto Pia Quinn Rafa Rosa Sami Selma Theo Uma Vera Wim Xenia Yara Zoe"
)
LAST_NAMES = _words(
    "Abend Berg Castell Dahl Eklund Falk Grau Holm Ibarra Jansen Kern Lind Moreau Novak Okoro Petri Quist Rossi Sand "
    "Tamm Urban Vogel Weiss Yilmaz Zeman"
)
VENDORS = ("northgate-cdn", "cardlink-network", "cloud-zone-b", "sms-carrier", "mapdata-provider", "identity-vendor")


def service_name(number: int) -> str:
    """The `number`-th name. Distinct for every number below `NAMES_MAX`."""
    regions, pair = divmod(number, len(SUBJECTS) * len(FUNCTIONS))
    function, subject = divmod(pair, len(SUBJECTS))
    base = f"{SUBJECTS[subject]}-{FUNCTIONS[function]}"
    return base if regions == 0 else f"{base}-{REGIONS[regions - 1]}"


NAMES_MAX = len(SUBJECTS) * len(FUNCTIONS) * (1 + len(REGIONS))


def system_name(number: int) -> str:
    """The `number`-th system; after the last word they are numbered."""
    around, word = divmod(number, len(SYSTEMS))
    return SYSTEMS[word] if around == 0 else f"{SYSTEMS[word]}-{around + 1}"


def person(number: int) -> str:
    first, last = number % len(FIRST_NAMES), number // len(FIRST_NAMES) % len(LAST_NAMES)
    return f"{FIRST_NAMES[first]} {LAST_NAMES[last]}"


PEOPLE_MAX = len(FIRST_NAMES) * len(LAST_NAMES)


def address(name: str) -> str:
    """A person's e-mail address, in the domain that is reserved for examples."""
    return f"{name.lower().replace(' ', '.')}@example.org"


def spoken(service: str) -> str:
    """A service's name as people write it: `ledger-api` becomes `Ledger API`."""
    return " ".join("API" if word == "api" else word.capitalize() for word in service.split("-"))


def camel(service: str) -> str:
    """A service's name as alert names spell it: `ledger-api` becomes `LedgerApi`."""
    return "".join(word.capitalize() for word in service.split("-"))
