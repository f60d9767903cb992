"""检衡 Jianheng: facts from a procuratorate's systems, scored by law written as data, every point explained."""
