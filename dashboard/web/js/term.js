// The 256 colours of terminals, as rules; css/term.css has the first sixteen.

const levels = [0, 95, 135, 175, 215, 255];

function colour(n) {
  if (n >= 232) return Array(3).fill(8 + 10 * (n - 232));
  n -= 16;
  return [levels[Math.floor(n / 36)], levels[Math.floor(n / 6) % 6], levels[n % 6]];
}

const rules = [];
for (let n = 0; n < 256; n++) {
  const value = n < 16 ? `var(--term-${n})` : `rgb(${colour(n).join(' ')})`;
  // Pale text is darkened on the light theme, since xterm's colours are made for a dark one.
  const ink = n < 16 ? value : `light-dark(oklch(from ${value} min(l, 0.55) c h), oklch(from ${value} max(l, 0.62) c h))`;
  rules.push(`.term-fgx${n}{color:${ink}}`, `.term-bgx${n}{background:${value}}`);
}
const sheet = new CSSStyleSheet();
sheet.replaceSync(rules.join('\n'));
document.adoptedStyleSheets.push(sheet);
