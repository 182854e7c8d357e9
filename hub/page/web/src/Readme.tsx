import { ReactNode, createElement } from "react";
import { Node } from "./api";
import { Scroll, Theirs } from "./parts";

// The tags that the hub lets through; headings lie below the page's own.
const tags = new Map(Object.entries({
  h1: "h3", h2: "h4", h3: "h5", h4: "h6", h5: "h6", h6: "h6", p: "p", br: "br", hr: "hr", ul: "ul", ol: "ol", li: "li", blockquote: "blockquote",
  pre: "pre", code: "code", em: "em", strong: "strong", del: "del", table: "table", thead: "thead", tbody: "tbody", tr: "tr", th: "th", td: "td",
}));

/** Readme is a stranger's README, as a tree of text: nothing of it is ever markup. */
export function Readme({ nodes }: { nodes: Node[] }) {
  return (
    <section className="card" aria-labelledby="readme">
      <h2 id="readme">README</h2>
      <div className="readme">{nodes.map(piece)}</div>
    </section>
  );
}

function piece(node: Node, key: number): ReactNode {
  if (!node.tag) return <Theirs key={key}>{node.text ?? ""}</Theirs>;
  const kids = node.kids?.map(piece);
  if (node.tag === "a") return node.href ? <a key={key} href={node.href} target="_blank" rel="noopener noreferrer nofollow">{kids}</a> : <span key={key}>{kids}</span>;
  if (node.tag === "table") return <Scroll key={key} label="Table of the README"><table>{kids}</table></Scroll>;
  return createElement(tags.get(node.tag) ?? "span", { key }, ...(kids ?? []));
}
