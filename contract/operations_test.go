package contract

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/operations.md")

// Every code, event and exit code has one meaning, and no meaning is of a word that
// is gone.
func TestEveryWordHasItsMeaning(t *testing.T) {
	var codes []Code
	for _, m := range CodeMeanings() {
		codes = append(codes, m.Name)
	}
	if slices.Sort(codes); !slices.Equal(codes, Codes()) {
		t.Errorf("codes with a meaning:\n%q\ncodes:\n%q", codes, Codes())
	}
	var events []string
	for _, m := range EventMeanings() {
		events = append(events, string(m.Name))
	}
	want := eventTypes(t)
	slices.Sort(want)
	if slices.Sort(events); !slices.Equal(events, want) {
		t.Errorf("events with a meaning:\n%q\nevents:\n%q", events, want)
	}
	for _, code := range Codes() {
		if !slices.ContainsFunc(ExitMeanings(), func(m Named[int]) bool { return m.Name == code.ExitCode() }) {
			t.Errorf("exit code %d of %s has no meaning", code.ExitCode(), code)
		}
	}
}

// What our trainers raise can be looked up, and nothing is there that none raises.
func TestEveryEventOfOurTrainersHasItsMeaning(t *testing.T) {
	raised := map[string]bool{}
	var sources strings.Builder
	for _, root := range []string{"../trainers/huggingface", "../trainers/timm", "../trainers/ultralytics", "../trainers/vision"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".py" {
				return err
			}
			text, err := os.ReadFile(path)
			sources.Write(text)
			for _, found := range regexp.MustCompile(`\bevent\(\s*"(\w+)"`).FindAllStringSubmatch(string(text), -1) {
				raised[found[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range TrainerEventMeanings() {
		if !strings.Contains(sources.String(), `"`+string(m.Name)+`"`) {
			t.Errorf("no trainer raises %s", m.Name)
		}
		delete(raised, string(m.Name))
	}
	for name := range raised {
		t.Errorf("the event %s of a trainer has no meaning in contract/meaning.go", name)
	}
}

// operations.md is where an operator looks a word up: its tables are these.
func TestOperationsHasTheTables(t *testing.T) {
	const path = "../docs/operations.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for heading, table := range map[string]string{"Exit codes": exitTable(), "Failure codes": codeTable(), "Events": eventTable(EventMeanings()), "Events of our trainers": eventTable(TrainerEventMeanings())} {
		section := regexp.MustCompile(`(?s)(\n## ` + heading + `\n[^|]*)\|.*?\n\n`)
		if !section.MatchString(page) {
			t.Fatalf("there is no table of %s", heading)
		}
		page = section.ReplaceAllStringFunc(page, func(found string) string {
			return section.FindStringSubmatch(found)[1] + table + "\n"
		})
	}
	if *update {
		err = os.WriteFile(path, []byte(page), 0o644)
	}
	if err != nil || !*update && page != string(text) {
		t.Errorf("docs/operations.md is not what the contract says (%v): run go test ./contract -update", err)
	}
}

func exitTable() string {
	out := "| exit | meaning | what to do |\n|---|---|---|\n"
	for _, m := range ExitMeanings() {
		out += row(strconv.Itoa(m.Name), m.Meaning.What, m.Meaning.Do)
	}
	return out
}

func codeTable() string {
	out := "| code | exit | meaning | first thing to look at |\n|---|---|---|---|\n"
	for _, m := range CodeMeanings() {
		out += row(string(m.Name), strconv.Itoa(m.Name.ExitCode()), m.Meaning.What, m.Meaning.Do)
	}
	return out
}

func eventTable(meanings []Named[EventType]) string {
	out := "| event | meaning | what to do |\n|---|---|---|\n"
	for _, m := range meanings {
		out += row("`"+string(m.Name)+"`", m.Meaning.What, m.Meaning.Do)
	}
	return out
}

func row(cells ...string) string {
	return strings.ReplaceAll("| "+strings.Join(cells, " | ")+" |\n", "|  |", "| |")
}

// eventTypes reads the constants of type EventType out of the source.
func eventTypes(t *testing.T) (list []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "callbacks.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "EventType" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, value)
		}
		return true
	})
	return list
}
