"""Mutants of the report, its page, its escaping and comparisons."""

from __future__ import annotations

from mutants_lib.model import Mutant

_BUILD = "unit/test_build.py"
_PAGE = "unit/test_html.py"
_CARD = "unit/test_html.py"
_RUNS = "unit/test_runs.py"

MUTANTS = [
    Mutant(
        "report/build.py", "leaks and copies change places",
        "n_leaks=len(selection.leaks),\n        n_duplicates=selection.n_duplicates,",
        "n_leaks=selection.n_duplicates,\n        n_duplicates=len(selection.leaks),", _BUILD,
    ),
    Mutant(
        "report/build.py", "the chosen are among those passed over",
        "n_passed=n_scored - n_chosen,", "n_passed=n_scored,", _BUILD,
    ),
    Mutant(
        "report/build.py", "a group's chosen bytes are its records",
        "n_chosen_bytes=of_chosen.get(name, (0, 0))[1],",
        "n_chosen_bytes=of_chosen.get(name, (0, 0))[0],", _BUILD,
    ),
    Mutant(
        "report/build.py", "the threshold is the highest alignment",
        "float(chosen.alignment.min())", "float(chosen.alignment.max())",
        _BUILD,
    ),
    Mutant(
        "report/build.py", "refused rows of a shard's first parts are lost",
        "counts[part.shard.index].n_rejected += part.summary.n_rejected",
        "counts[part.shard.index].n_rejected = part.summary.n_rejected", _BUILD,
    ),
    Mutant(
        "report/build.py", "candidates count as chosen of a shard",
        "n_chosen += np.bincount(selection.chosen.shard[some], minlength=len(shards))",
        "n_chosen += np.bincount(selection.candidates.shard[some], minlength=len(shards))",
        _BUILD,
    ),
    Mutant(
        "report/statistics.py",
        "the quantiles of the pool run backwards",
        'np.searchsorted(cumulative, total * p / 100)',
        'np.searchsorted(cumulative, total * (100 - p) / 100)',
        _BUILD,
    ),
    Mutant(
        "report/statistics.py",
        "lengths are twice as long",
        'round(2 ** ((i + 0.5) / BINS_PER_DOUBLING))',
        'round(2 ** ((i + 0.5) / BINS_PER_DOUBLING + 1))',
        _BUILD,
    ),
    Mutant(
        "report/statistics.py", "the tail of the alignments is lost",
        "np.histogram(np.minimum(floors, edges[-1]), edges", "np.histogram(floors, edges",
        "unit/test_build.py unit/test_html.py",
    ),
    Mutant(
        "report/html.py", "the page is not escaped", "autoescape=True", "autoescape=False", _PAGE,
    ),
    Mutant(
        "report/html.py", "what a saving comes from is not escaped",
        "    title = escape(\n", "    title = str(\n", _PAGE,
    ),
    Mutant(
        "report/visible.py", "text on the page is not escaped",
        "parts.append(str(escape(character)))", "parts.append(character)", _PAGE,
    ),
    Mutant(
        "report/visible.py", "a tag in a name is a tag in the card",
        r'r"([\\`*_\[\]<>|~])"', r'r"([\\`*_\[\]>|~])"', _CARD,
    ),
    Mutant(
        "report/visible.py", "a pipe in a name ends a cell of the card",
        '.replace("|", "\\\\|")', "", _CARD,
    ),
    Mutant(
        "report/card.py", "a README of the user's is written over",
        "return MARKER.encode() in paths.read_bytes(path).splitlines()", "return True",
        "unit/test_manifest.py::test_files_of_other_names_do_not_matter",
    ),
    Mutant(
        "console/safe_text.py", "characters that turn the direction are shown",
        'category[0] == "C" or', 'category == "Cc" or', _PAGE,
    ),
    Mutant(
        "console/safe_text.py", "texts command the terminal",
        'return character if is_plain(character) else f"<{name_of(character)}>"',
        "return character",
        _PAGE,
    ),
    Mutant(
        "report/explanations.py", "explained texts command the terminal",
        "    return printable_character(character)\n", "    return character\n",
        "unit/test_runs.py",
    ),
    Mutant(
        "report/explanations.py", "explained stretches command the terminal",
        "Text(printable(span.text, 60)),", "Text(span.text[:60]),",
        "unit/test_runs.py",
    ),
    Mutant(
        "report/tables.py", "rows left out count as not reached too",
        "below = counts.n_passed - counts.n_no_contenders - n_removed",
        "below = counts.n_passed - counts.n_no_contenders", _PAGE,
    ),
    Mutant(
        "report/tables.py", "of groups beyond thirty pool and subset change places",
        "(name, sum(t[1] for t in rest), sum(t[2] for t in rest))]",
        "(name, sum(t[2] for t in rest), sum(t[1] for t in rest))]", _PAGE,
    ),
    Mutant(
        "report/shown_records.py", "the first left out is the last chosen again",
        "np.concatenate([selection.taken[-_N_SHOWN // 2 :], selection.following])",
        "np.concatenate([selection.taken[-_N_SHOWN // 2 :], selection.taken[-1:], "
        "selection.following[1:]])", _BUILD,
    ),
    Mutant(
        "report/shown_records.py",
        "records past the budget are ranked from 1",
        'enumerate(selection.following.tolist(), len(selection.taken))',
        'enumerate(selection.following.tolist())',
        _BUILD,
    ),
    Mutant(
        "report/shown_records.py",
        "a copy is said to repeat itself",
        'match=f"{of_kept[\'shard\']} row {of_kept[\'row\']}")',
        'match=f"{fields[\'shard\']} row {fields[\'row\']}")',
        _BUILD,
    ),
    Mutant(
        "report/shown_records.py",
        "a leak is listed under another row",
        '"row": int(records.row[position]),',
        '"row": int(records.row[0]),',
        _BUILD,
    ),
    Mutant(
        "report/compare.py", "what moved least comes first",
        'np.argsort(-distance, kind="stable")[:_N_MOVED]',
        'np.argsort(distance, kind="stable")[:_N_MOVED]', _RUNS,
    ),
    Mutant(
        "report/compare.py", "the curve is of the next depth",
        "float(values[k - 1])", "float(values[min(k, len(values) - 1)])", _RUNS,
    ),
    Mutant(
        "report/overlap.py", "rankings of one length agree less",
        "return (1 - p) / p * agreed + tail", "return (1 - p) / p * agreed",
        "unit/test_overlap.py",
    ),
    Mutant(
        "report/findings.py", "long and short change places",
        'how = "much longer" if ratio > _LENGTH_BIAS else "much shorter"',
        'how = "much shorter" if ratio > _LENGTH_BIAS else "much longer"', _PAGE,
    ),
    Mutant(
        "report/findings.py", "a subset from one shard is not told of",
        "if share > _ONE_SHARD and share > 2 * of_pool:", "if False:", _PAGE,
    ),
    Mutant(
        "report/print_run.py", "contenders and those ruled out change places",
        "f\"{int(report.cascade['n_contenders']):,} compressed; \"\n            f\"{counts."
        'n_no_contenders:,} ruled out',
        "f\"{counts.n_no_contenders:,} compressed; \"\n            f\"{int(report.cascade["
        "'n_contenders']):,} ruled out", "unit/test_print_run.py",
    ),
    Mutant(
        "output/chosen.py",
        "ranks begin at 0",
        'np.arange(first_rank, first_rank + len(chosen))',
        'np.arange(len(chosen))',
        _BUILD,
    ),
    Mutant(
        "report/strips.py", "savings begin one character late",
        'first = int(np.searchsorted(starts, span.start, side="right")) - 1',
        'first = int(np.searchsorted(starts, span.start, side="right"))', _PAGE,
    ),
]  # fmt: skip
