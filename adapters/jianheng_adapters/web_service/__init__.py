"""What adapters of web services share: one conversation, its retries and limits, and how a service knows us.

No plugin of its own: ``json-api``, ``soap-service`` and ``archive-http`` speak through it.
"""

from pathlib import Path

from jianheng.messages import add_texts

add_texts(Path(__file__).with_name("messages.toml"))
