// Where Sphinx' search puts a page: lists of messages, changes and internals come after the pages that explain.
var Scorer = {
  score: ([docname, , , , score]) => {
    if (/^(errors|changes)$/.test(docname)) return score - 20;
    if (/^(api-extend|contributing|releasing|design|machines|benchmarks|speed|reference\/lsmx\.extend\..*)$/.test(docname)) return score - 4;
    if (/^(index|install|ten-minutes|losses|trainer-equals-server|how-to|the-question)$/.test(docname)) return score + 3;
    return score;
  },
  // the numbers of Sphinx
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
