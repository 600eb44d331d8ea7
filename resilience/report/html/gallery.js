// Narrows the gallery to what is asked for. Everything is there without it; the controls appear only where it runs.
(() => {
  const form = document.getElementById("narrow");
  const cards = [...document.querySelectorAll(".card")];
  const said = document.getElementById("shown");
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const texts = new Map(cards.map((card) => [card, plain(card.textContent)]));
  const narrow = () => {
    const words = plain(form.elements.words.value).split(/\s+/).filter(Boolean);
    const fits = (card) =>
      words.every((word) => texts.get(card).includes(word)) &&
      ["year", "style", "verdict"].every((name) => {
        const wanted = form.elements[name].value;
        return !wanted || (card.dataset[name] || "").split(" ").includes(wanted);
      });
    cards.forEach((card) => { card.hidden = !fits(card); });
    const left = cards.filter((card) => !card.hidden).length;
    said.textContent = left === cards.length ? `All ${left} reports` : `${left} of ${cards.length} reports`;
    document.querySelectorAll(".group").forEach((group) => { group.hidden = !group.querySelector(".card:not([hidden])"); });
  };
  form.addEventListener("input", narrow);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(narrow));
  form.hidden = false;
  narrow();
})();
