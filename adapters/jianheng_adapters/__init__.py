"""Sources and targets shipped with Jianheng: each reads or writes one kind of system and judges nothing."""
