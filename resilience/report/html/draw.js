// Inflates the packed plotly.js and draws each figure from its JSON; nothing is fetched.
(async () => {
  const plots = [...document.querySelectorAll(".plot")];
  const say = (text) => plots.forEach((plot) => { if (!plot.hasChildNodes()) plot.textContent = text; });
  try {
    const packed = atob(document.getElementById("plotly-js").textContent);
    const bytes = Uint8Array.from(packed, (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const url = URL.createObjectURL(new Blob([await new Response(stream).blob()], { type: "text/javascript" }));
    await new Promise((resolve, reject) => {
      const script = document.createElement("script");
      Object.assign(script, { src: url, onload: resolve, onerror: reject });
      document.head.append(script);
    });
  } catch (error) {
    say("This browser cannot draw the chart (it needs one from 2023 or later). Its numbers are in the table below.");
    return;
  }
  const theme = () => {
    const style = getComputedStyle(document.body);
    return { "font.color": style.color, "hoverlabel.bgcolor": style.backgroundColor, "hoverlabel.font.color": style.color };
  };
  // Plotly drops relative addresses from pages that were opened as a file: dots that lead to a report get theirs back.
  const lead = (plot) => {
    const addresses = plot.data.filter((trace) => trace.mode === "text").flatMap((trace) => trace.customdata || []);
    plot.querySelectorAll(".textpoint a").forEach((dot, i) => {
      if (!addresses[i] || (/^[a-z][a-z0-9+.-]*:/i.test(addresses[i]) && !/^https?:/i.test(addresses[i]))) return;
      const about = { href: addresses[i], target: "_blank", rel: "noopener", tabindex: "-1" }; // the table has the same links
      Object.entries(about).forEach(([name, value]) => dot.setAttribute(name, value));
      plot.setAttribute("role", "group"); // an image cannot hold links
    });
  };
  for (const plot of plots) {
    const { data, layout, config } = JSON.parse(document.querySelector(`script[data-for="${plot.id}"]`).textContent);
    await Plotly.newPlot(plot, data, { ...layout, autosize: true }, { ...config, displayModeBar: false });
    plot.on("plotly_afterplot", () => lead(plot));
    await Plotly.relayout(plot, theme());
    plot.dataset.drawn = "yes";
  }
  const redraw = () => plots.forEach((plot) => Plotly.relayout(plot, theme()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => plots.forEach((plot) => Plotly.Plots.resize(plot)));
  document.body.dataset.drawn = "yes";
})();
