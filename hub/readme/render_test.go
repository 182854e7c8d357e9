package readme_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/hub/readme"
)

func render(t *testing.T, markdown string) string {
	t.Helper()
	text, err := json.Marshal(readme.Render([]byte(markdown)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAReadmeIsATreeOfTextAndLinks(t *testing.T) {
	for markdown, want := range map[string]string{
		"# Cells\n\nIt *counts*.":       `[{"tag":"h1","kids":[{"text":"Cells"}]},{"tag":"p","kids":[{"text":"It "},{"tag":"em","kids":[{"text":"counts"}]},{"text":"."}]}]`,
		"[docs](https://example.com/a)": `[{"tag":"p","kids":[{"tag":"a","href":"https://example.com/a","kids":[{"text":"docs"}]}]}]`,
		"```sh\nmake run\n```":          `[{"tag":"pre","kids":[{"tag":"code","kids":[{"text":"make run\n"}]}]}]`,
		"| a |\n|---|\n| 1 |":           `[{"tag":"table","kids":[{"tag":"thead","kids":[{"tag":"tr","kids":[{"tag":"th","kids":[{"text":"a"}]}]}]},{"tag":"tbody","kids":[{"tag":"tr","kids":[{"tag":"td","kids":[{"text":"1"}]}]}]}]}]`,
		strings.Repeat("[a](", 5000):    `[{"tag":"pre","kids":[{"text":"` + strings.Repeat("[a](", 5000) + `"}]}]`, // it would take long
		"1 < 2 & \"3\"":                 `[{"tag":"p","kids":[{"text":"1 \u003c 2 \u0026 \"3\""}]}]`,
	} {
		if got := render(t, markdown); got != want {
			t.Errorf("%s\n got %s\nwant %s", markdown, got, want)
		}
	}
}

// What a stranger's README may try: nothing of it is left, or it is text.
func TestNothingOfAReadmeRunsOrIsFetched(t *testing.T) {
	for _, markdown := range []string{
		"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![x](https://evil.example/pixel.png)", "[x](javascript:alert(1))",
		"[x](JaVaScRiPt:alert(1))", "[x](data:text/html,<script>)", "<a href=\"javascript:alert(1)\" onclick=alert(1)>x</a>", "<iframe src=https://evil.example>",
		"<style>*{display:none}</style>", "<form action=/logout><button>x</button></form>", "[x](/api/v1/tokens)", "<svg onload=alert(1)>", "<base href=https://evil.example>",
	} {
		got := render(t, markdown)
		for _, wrong := range []string{`"script"`, `"img"`, `"iframe"`, `"style"`, `"form"`, `"svg"`, `"base"`, "href", "onclick", "onerror", "evil"} {
			if strings.Contains(got, wrong) {
				t.Errorf("%s has %s: %s", markdown, wrong, got)
			}
		}
	}
	if deep := render(t, strings.Repeat("> ", 5000)+"x"); len(deep) > 40_000 {
		t.Errorf("%d bytes of quotes in quotes", len(deep))
	}
}

// Whatever a README is: known tags, links that a browser may follow, and no deeper than the page draws.
func FuzzRender(f *testing.F) {
	for _, markdown := range []string{
		"# a\n\n- [x](https://e.com) *b* **c** ~~d~~ `e`\n\n> q\n\n| a |\n|---|\n| 1 |\n", "<a href=javascript:x>", "[x](mailto:a@b.c)", "```\n<script>\n", "\xff\x00", "a\r\n\r\n1. b\n2. c",
	} {
		f.Add(markdown)
	}
	f.Fuzz(func(t *testing.T, markdown string) {
		known(t, readme.Render([]byte(markdown)), 0)
	})
}

func known(t *testing.T, nodes []readme.Node, depth int) {
	t.Helper()
	if len(nodes) > 0 && depth > 40 {
		t.Fatal("a tag lies too deep")
	}
	for _, n := range nodes {
		address := strings.ToLower(n.Href)
		if !slices.Contains([]string{"", "a", "h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "del", "table", "thead", "tbody", "tr", "th", "td"}, n.Tag) ||
			n.Href != "" && (n.Tag != "a" || !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "mailto:")) || !utf8.ValidString(n.Text) || strings.ContainsRune(n.Text, 0) {
			t.Fatalf("%+v", n)
		}
		known(t, n.Kids, depth+1)
	}
}
