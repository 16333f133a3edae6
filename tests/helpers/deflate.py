"""Whether this machine's zlib deflates to the very bytes that the documents show."""

import zlib
from typing import Final

SAME_DEFLATE: Final = "zlib-ng" not in zlib.ZLIB_RUNTIME_VERSION
WHY_NOT: Final = "zlib-ng deflates to other bytes than zlib, which mean the same"
