package converters_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// quoted are names that YAML takes for something else.
var quoted = []string{"no", "on", "yes", "null", "~", "1e3", "007", "12:30:45", "2024-01-01", "a: b", "# x", "- x", "{", `"q"`, "'", "new\nline", "\t", "\u2028", "네모", "😀", "\x7f", "e\u0301", "%", "@", "!x", "&a", "*a"}

func quotedDataset(t *testing.T) string {
	classes := []any{}
	for i, name := range quoted {
		classes = append(classes, m{"id": i, "name": name})
	}
	return dataset(t, 3, func(i int) []any { return []any{box(i, 16, 12, 32, 24)} }, m{"classes": classes})
}

func TestEdge18YAMLNamesStayThemselves(t *testing.T) {
	p := prepare(t, request(t, quotedDataset(t), contract.TaskObjectDetection, contract.FormatYOLO))
	yaml := listing(t, p.Dir)["data.yaml"]
	for i, want := range []string{`0: "no"`, `5: "1e3"`, `9: "a: b"`, `13: "\"q\""`, `15: "new\x0Aline"`, `17: "\u2028"`, `18: "네모"`, `20: "\x7F"`} {
		if !strings.Contains(yaml, "  "+want+"\n") {
			t.Errorf("%d: %s is not in\n%s", i, want, yaml)
		}
	}
}

func TestEdge20AFirstClassLikeAnImageNetCode(t *testing.T) {
	root := dataset(t, 3, func(int) []any { return []any{box(0, 16, 12, 32, 24)} }, m{"classes": []any{m{"id": 0, "name": "n0_bolt"}}})
	p := prepare(t, request(t, root, contract.TaskObjectDetection, contract.FormatYOLO))
	if yaml := listing(t, p.Dir)["data.yaml"]; !strings.Contains(yaml, `0: "class n0_bolt"`) || p.Classes.Classes[0].Name != "n0_bolt" {
		t.Errorf("%s\n%+v", yaml, p.Classes)
	}
}

// classes is a dataset of classes with these names, an image each in both splits.
func classes(names ...string) func(t *testing.T) string {
	return func(t *testing.T) string {
		list, train, val := []any{}, []int{}, []int{}
		for i, name := range names {
			list = append(list, m{"id": i, "name": name})
			train, val = append(train, i), append(val, i+len(names))
		}
		return dataset(t, 2*len(names), func(i int) []any { return []any{m{"class_id": i % len(names)}} },
			m{"classes": list, "split_config": m{"splits": m{"train": train, "val": val}}})
	}
}

// folders checks the folder of every class, which no two share.
func folders(ok func(name string) bool) func(t *testing.T, p *converters.Prepared) {
	return func(t *testing.T, p *converters.Prepared) {
		seen := map[string]bool{}
		for _, c := range p.Classes.Classes {
			if seen[strings.ToLower(c.Folder)] || !ok(c.Folder) {
				t.Errorf("class %q is in folder %q", c.Name, c.Folder)
			}
			seen[strings.ToLower(c.Folder)] = true
		}
	}
}

func TestEdgeCasesOfClassification(t *testing.T) {
	of := func(per map[int][]any) func(t *testing.T) string {
		return func(t *testing.T) string {
			return dataset(t, 8, func(i int) []any {
				if a, ok := per[i]; ok {
					return a
				}
				return []any{m{"class_id": []int{1, 5}[i%2]}}
			}, m{"split_config": m{"splits": m{"train": []int{0, 1, 2, 3}, "val": []int{4, 5, 6, 7}}}})
		}
	}
	for _, e := range []edge{
		{name: "37 several labels", root: of(map[int][]any{0: {m{"class_id": 1}, m{"class_id": 5}}}), refused: "several_labels", example: "image 0"},
		{name: "37 one label in other words", root: of(map[int][]any{0: {m{"class_id": 1}, m{"class_id": 1, "class_name": "cat"}, m{"class_name": "cat"}}}), check: func(t *testing.T, p *converters.Prepared) {
			if p.Splits[0].PerClass[0] != 2 {
				t.Errorf("%+v", p.Splits)
			}
		}},
		{name: "38 a class that is in train only", root: of(map[int][]any{5: {m{"class_id": 1}}, 7: {m{"class_id": 1}}}), refused: "class_missing_in_split", example: `"dog" in val`},
		{name: "38 a class without images", root: func(t *testing.T) string {
			return dataset(t, 4, func(i int) []any { return []any{m{"class_id": []int{1, 5}[i%2]}} }, m{
				"classes":      []any{m{"id": 1, "name": "cat"}, m{"id": 3, "name": "nobody"}, m{"id": 5, "name": "dog"}},
				"split_config": m{"splits": m{"train": []int{0, 1}, "val": []int{2, 3}}}})
		}, problem: "class_without_images", example: "nobody", check: func(t *testing.T, p *converters.Prepared) {
			if len(p.Classes.Classes) != 2 || p.Classes.Classes[1].Name != "dog" || p.Classes.Classes[1].Index != 1 || string(p.Classes.Classes[1].ID) != "5" {
				t.Errorf("%+v", p.Classes)
			}
		}},
		{name: "an image without a label", root: of(map[int][]any{0: {}}), problem: "no_class_label"},
		{name: "a background image", root: of(map[int][]any{0: {m{"class_id": -1}}}), problem: "background_image"},
		{name: "boxes and no label", root: of(map[int][]any{0: {good()}}), refused: "objects_without_class_label"},
		{name: "15 two classes of one name", root: func(t *testing.T) string {
			return dataset(t, 4, func(i int) []any { return []any{m{"class_id": i % 2}} }, m{"classes": []any{m{"id": 0, "name": "a"}, m{"id": 1, "name": "a"}}})
		}, refused: "duplicate_class_name"},
		{name: "15 names that differ in case only", root: func(t *testing.T) string {
			return dataset(t, 4, func(i int) []any { return []any{m{"class_id": i % 2}} }, m{"classes": []any{m{"id": 0, "name": "Cat"}, m{"id": 1, "name": "cat"}}, "split_config": m{"splits": m{"train": []int{0, 1}, "val": []int{2, 3}}}})
		}, check: func(t *testing.T, p *converters.Prepared) {
			if a, b := p.Classes.Classes[0].Folder, p.Classes.Classes[1].Folder; strings.EqualFold(a, b) {
				t.Errorf("folders %q and %q", a, b)
			}
		}},
		{name: "16 class names that are no folder names", root: classes(".hidden", "a/b", `a\b`, "..", "nul\x00", "CON", "dot.", strings.Repeat("긴", 100), "a:b"), check: folders(func(name string) bool {
			return len(name) <= 255 && !strings.ContainsAny(name, "/\\:\x00") && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".") && name != "CON"
		})},
		{name: "19 class names that are splits to Hugging Face", root: classes("train", "val", "test", "test_tube", "eval board", "validation"), check: folders(func(name string) bool {
			return !regexp.MustCompile(`(^|[-._ 0-9])(train|val|test|eval|validation)([-._ 0-9]|$)`).MatchString(name)
		})},
		{name: "24 BMP is written as PNG, which timm reads", root: func(t *testing.T) string {
			root := of(nil)(t)
			put(t, root, m{"images/0.jpg": bmpOf(40, 40)})
			return root
		}, problem: "image_converted"},
	} {
		e.task, e.format = classifying, contract.FormatImageFolder
		t.Run(e.name, e.run)
	}
}
