"""The look of a report's web page: colours for light and dark, and what hovering does."""

from __future__ import annotations

_LIGHT = """--surface:#fcfcfb;--ink:#1c1b19;--muted:#66645f;--grid:#e4e2dd;--stripe:#f4f3f0;
--curve0:#2a6fd0;--curve1:#d9541e;--curve2:#0e8a5f;--curve3:#8a4fc0;--curve4:#a87900;--curve5:#c63471;--curve6:#0d8796;
--curve7:#6b6a66;--up:#2a6fd0;--down:#d9541e"""
_DARK = """--surface:#1a1a19;--ink:#f1efea;--muted:#a9a69f;--grid:#383733;--stripe:#232321;
--curve0:#6ba4f5;--curve1:#f5845a;--curve2:#43c795;--curve3:#bd8eed;--curve4:#dcb040;--curve5:#f0709f;--curve6:#4fc3d0;
--curve7:#a5a39d;--up:#6ba4f5;--down:#f5845a"""
_RULES = """
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:76rem;background:var(--surface);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.6rem;margin:0 0 .75rem}h2{font-size:1.2rem;margin:3.5rem 0 .25rem}
h3{font-size:1rem;margin:2rem 0 .25rem}
p{max-width:50rem;margin:.35rem 0;color:var(--muted);overflow-wrap:anywhere}
ul{max-width:62rem;padding-left:1.2rem}li{overflow-wrap:anywhere}
nav{margin:1rem 0}nav a{color:var(--curve0);margin-right:1.25rem}
figure{margin:1rem 0 0}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem}
.charts .wide{grid-column:1/-1}
.chart{width:100%;max-width:54rem;height:auto;display:block}
.tick,.axis{fill:var(--muted);font-size:12px}.axis{font-size:13px}
.grid{stroke:var(--grid);fill:none}
.anchor{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:6 4;fill:none}.anchor-band{fill:var(--ink);opacity:.06}
.band{fill:var(--color);opacity:.11;pointer-events:none}.many .band{opacity:.05}.crowd .band{opacity:0}
.curve{stroke:var(--color);stroke-width:2;fill:none;stroke-linejoin:round}
.point{fill:var(--color);stroke:var(--color);stroke-width:1.75}.point.resolved{fill:var(--surface)}
.legend{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.15rem 1.25rem;padding:0;
margin:.75rem 0 0;max-width:none;list-style:none;font-size:13.5px}
.legend li{display:flex;align-items:center;gap:.4rem}.mark{width:34px;height:16px;flex:none}
.scroll{overflow-x:auto;margin-top:.75rem}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .55rem;text-align:right;border-bottom:1px solid var(--grid);vertical-align:top;white-space:nowrap}
th{color:var(--muted);font-weight:600;vertical-align:bottom;white-space:normal;min-width:4rem}
tbody tr:nth-child(even) td{background:var(--stripe)}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--surface)}
td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:12.5rem;max-width:18rem}
td small{display:block;color:var(--muted);font-size:11px;line-height:1.25}
td.muted{color:var(--muted)}th.text,td.text{text-align:left;white-space:normal;min-width:9rem}
tbody tr:nth-child(n) td.up{background:color-mix(in srgb,var(--up) var(--much),var(--surface))}
tbody tr:nth-child(n) td.down{background:color-mix(in srgb,var(--down) var(--much),var(--surface))}
td.up small,td.down small{color:inherit;opacity:.8}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,34rem),1fr));gap:1.25rem;margin-top:1rem}
.sample{border:1px solid var(--grid);border-radius:6px;padding:.6rem;min-width:0}
.sample h4{font-size:13px;font-weight:600;margin:0 0 .4rem;color:var(--muted);overflow-wrap:anywhere}
.versions{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:.5rem;font-size:12.5px;line-height:1.35}
.versions img{width:100%;height:auto;display:block;margin-bottom:.3rem;border-radius:3px}
.versions div{overflow-wrap:anywhere}.versions span{display:block;color:var(--muted)}.versions b{font-weight:600}
"""


def page_style(num_curves: int) -> str:
    """All rules; `num_curves`: as many entries of a legend single out their curves in the charts when pointed at."""
    rules = [
        f"figure:has(.c{number}:hover) .series:not(.c{number}){{opacity:.12}}"
        f"figure:has(.c{number}:hover) .c{number} .band{{opacity:.22}}"
        for number in range(num_curves)
    ]
    colors = f":root{{color-scheme:light dark;{_LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    return colors + _RULES + "".join(rules)
