"""The words that the project has replaced by standard terms, and the places where one of them is right.

A pattern is a regular expression without regard to case. It matches whole words, and parts of identifiers
between underscores. Where it has a blank, the text may have an underscore or the end of a line as well."""

# Pattern, and what to write instead. These stand nowhere: neither in code, nor in comments and documents.
EVERYWHERE = (
    ("strik(e|es|ing)|struck", "inject, injected"),
    ("at ease", "is_idle, owes_nothing"),
    ("fed up", "input_drained"),
    ("lay down|lays down|laid down|take up|takes up|taken up|took up", "park, unpark"),
    ("at rest|rests|rested|resting|(come|comes|came) to rest", "parked, idle, drained"),
    ("awake|drowsy", "active, least recently used"),
    ("get up|gets up|got up", "unpark"),
    ("residents?|evict(s|ed|ion)?", "per-loop data: attach, detach"),
    ("settle(s|d)?", "say what is done"),
    ("leases?|leased", "frame reference"),
    ("put behind", "attach, append"),
    ("turnstiles?", "message lock"),
    ("arrivals?", "pending connection"),
    ("leaving", "pending close"),
    ("bury|buries|buried|burials?", "reap, deferred free"),
    ("depart(s|ed|ure)?", "detach"),
    ("wish(es|ed)?|fulfil(s|led)?", "pending request, wanted"),
    ("flying|flown|flies", "in flight, sent"),
    ("orphan(s|ed)?", "lingering close"),
    ("patience|impatient|patient(ly)?", "timeout, limit, linger timer"),
    ("bell", "notify"),
    ("heard|unheard", "received, seen"),
    ("excuse[sd]?", "grace"),
    ("own direction", "read side, write side"),
)

# These are ordinary English in prose, where they may stand. In an identifier they have a standard term.
IN_IDENTIFIERS = (
    ("going away", "close_now"),
    ("lent|spare", "borrowed, cached"),
    ("attend(s|ed)?", "update"),
    ("tell(s|ing)?|told", "notify, report, print"),
    ("let go", "release"),
    ("give up|gives up|given up", "fail, time out"),
)

# A pattern of a place, in which the case counts; the word in it; and why that is right there.
EXCEPTIONS = (
    (r"GOING_AWAY", "GOING_AWAY", "RFC 6455 7.4.1 gives this name to 1001"),
    (r"[Rr]esident memory|(KiB|not) resident", "resident", "the kernel's term for memory in RAM"),
)
