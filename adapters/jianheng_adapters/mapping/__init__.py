"""The mapping language: which table, sheet or field becomes which canonical column, as data.

One reader for every adapter. A shipped mapping describes a system as its maker delivers it; a
site's own file, laid over it key by key, says what is different here.
"""

from pathlib import Path

from jianheng.messages import add_texts
from jianheng_adapters.mapping.cursor import advance, format_cursor, parse_cursor, parse_moment
from jianheng_adapters.mapping.expression import Expression
from jianheng_adapters.mapping.load import load_mapping
from jianheng_adapters.mapping.model import Join, MappingFile, StreamMapping
from jianheng_adapters.mapping.rows import RowMaker, row_maker

# The mapping is no plugin of its own, so nobody else would bring its words.
add_texts(Path(__file__).with_name("messages.toml"))

__all__ = [
    "Expression",
    "Join",
    "MappingFile",
    "RowMaker",
    "StreamMapping",
    "advance",
    "format_cursor",
    "load_mapping",
    "parse_cursor",
    "parse_moment",
    "row_maker",
]
