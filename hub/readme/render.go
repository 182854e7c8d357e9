// Package readme reads what a published package says of itself: its README and its
// capabilities, from the bytes that were proven.
//
// It promises that a README, which is a stranger's, becomes a tree of a few known tags with
// text and links: no markup, no script, no picture of another server. It leaves who may read
// to hub/api.
package readme

import (
	"bytes"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Node is a piece of a README: text, or a tag with what is in it. The page makes elements of
// it, so that nothing of a stranger is ever read as markup.
type Node struct {
	Tag  string `json:"tag,omitempty" doc:"Empty for text."`
	Text string `json:"text,omitempty"`
	Href string `json:"href,omitempty" doc:"Of a link: http, https or mailto."`
	Kids []Node `json:"kids,omitempty"`
}

// tags are those that a README may have. Pictures are not among them: they would tell
// another server who reads.
var tags = []string{"h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "del", "table", "thead", "tbody", "tr", "th", "td"}

// maxDepth bounds how deep tags lie in each other: a thousand quotes are no README.
const maxDepth = 40

// maxBlock bounds what stands between two empty lines, in bytes: to read it takes a time that grows
// with its square, half a minute for 256 KiB of "[a](".
const maxBlock = 16 << 10

// Render reads Markdown, as GitHub writes it. What cannot be read as that is shown as it is.
func Render(markdown []byte) []Node {
	markdown = bytes.ToValidUTF8(bytes.ReplaceAll(markdown, []byte{0}, []byte("\ufffd")), []byte("\ufffd")) // a cut may end within a letter
	for block := range bytes.SplitSeq(bytes.ReplaceAll(markdown, []byte("\r\n"), []byte("\n")), []byte("\n\n")) {
		if len(block) > maxBlock {
			return plain(markdown)
		}
	}
	var page bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert(markdown, &page); err != nil {
		return plain(markdown)
	}
	policy := bluemonday.NewPolicy()
	policy.AllowElements(tags...)
	policy.AllowAttrs("href").OnElements("a")
	policy.AllowURLSchemes("http", "https", "mailto")
	policy.AllowRelativeURLs(false)
	within := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	roots, err := html.ParseFragment(bytes.NewReader(policy.SanitizeBytes(page.Bytes())), within)
	if err != nil { // tags lie too deep in each other
		return plain(markdown)
	}
	return tree(roots, 0)
}

func plain(text []byte) []Node {
	return []Node{{Tag: "pre", Kids: []Node{{Text: string(text)}}}}
}

func tree(nodes []*html.Node, depth int) (list []Node) {
	for _, n := range nodes {
		switch {
		case n.Type == html.TextNode && (n.Data == "\n" || n.Data == ""):
			continue
		case n.Type == html.TextNode:
			list = append(list, Node{Text: n.Data})
		case n.Type == html.ElementNode && depth < maxDepth:
			one := Node{Tag: n.Data, Kids: tree(kids(n), depth+1)}
			for _, a := range n.Attr {
				if a.Key == "href" {
					one.Href = strings.TrimSpace(a.Val)
				}
			}
			list = append(list, one)
		}
	}
	return list
}

func kids(n *html.Node) (list []*html.Node) {
	for kid := range n.ChildNodes() {
		list = append(list, kid)
	}
	return list
}
