package yolo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/labels"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
)

// config is data.yaml. Every name is quoted: YAML takes no, null, 007, 1e3 and
// 12:30:45 for something else than a string.
func config(path string, names []string, counts []plan.Count, skeleton labels.Skeleton) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "path: %s\n", quote(path))
	for _, c := range counts {
		fmt.Fprintf(&out, "%s: images/%s\n", c.Split, c.Split)
	}
	if skeleton.Points > 0 {
		fmt.Fprintf(&out, "kpt_shape: [%d, 3]\n", skeleton.Points)
		if skeleton.Flip != nil {
			text, _ := json.Marshal(skeleton.Flip) // ints never fail
			fmt.Fprintf(&out, "flip_idx: %s\n", text)
		}
	}
	fmt.Fprintf(&out, "nc: %d\nnames:\n", len(names))
	for i, name := range names {
		fmt.Fprintf(&out, "  %d: %s\n", i, quote(name))
	}
	return out.Bytes()
}

// quote writes a double-quoted YAML scalar (YAML 1.1, section 5.6): whatever is
// not printable is escaped.
func quote(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == ' ' || (unicode.IsGraphic(r) && !unicode.IsSpace(r) && r < 0xfffe):
			out.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&out, `\x%02X`, r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04X`, r)
		default:
			fmt.Fprintf(&out, `\U%08X`, r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// classNames are the names as data.yaml has them. Ultralytics takes a first name
// that starts with "n0" for an ImageNet code and looks every name up in its
// table, so such a name gets a word in front.
func (w *writer) classNames() []string {
	names := make([]string, len(w.Catalog.Classes))
	for i, c := range w.Catalog.Classes {
		names[i] = c.Name
	}
	if len(names) > 0 && strings.HasPrefix(names[0], "n0") {
		names[0] = "class " + names[0]
		w.Problems.Add(problem.ImageNetCodeName, 0, "%q is %q in data.yaml", w.Catalog.Classes[0].Name, names[0])
	}
	return names
}
