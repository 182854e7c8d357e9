package archive

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/contract"
)

// Junk is what file managers add; it is left out in silence.
func Junk(name string) bool {
	return strings.HasPrefix(name, "__MACOSX/") || path.Base(name) == ".DS_Store" || path.Base(name) == "Thumbs.db"
}

// dropped is a part of a path that ends in what Windows leaves out.
var dropped = regexp.MustCompile(`[. ](/|$)`)

// nameProblem says why a name cannot be written as it stands, "" when it can.
func (l Limits) nameProblem(name string) (rule, text string) {
	clean := strings.TrimSuffix(name, "/")
	switch {
	case !utf8.ValidString(name):
		return "archive.name", "the name is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		return "archive.name", "the name has control characters"
	case strings.ContainsAny(name, `\:`):
		return "archive.path", `the name has \ or :, which some systems read as another path`
	case strings.HasPrefix(name, "/"), !fs.ValidPath(clean), clean == ".":
		return "archive.path", "the path leads out of the package"
	case l.Name > 0 && len(name) > l.Name:
		return "archive.name", fmt.Sprintf("the path has %d bytes; the limit is %d", len(name), l.Name)
	case l.Depth > 0 && strings.Count(clean, "/") > l.Depth:
		return "archive.path", fmt.Sprintf("the file lies %d folders deep; the limit is %d", strings.Count(clean, "/"), l.Depth)
	case strings.ContainsAny(clean, ". ") && dropped.MatchString(clean):
		return "archive.name", "the name ends in a dot or a space, which some systems drop"
	}
	return "", ""
}

// meets tells names that are one on a file system without case or with composed
// letters, and files that are folders elsewhere.
type meets struct {
	files map[string]string // folded path to the name as it came
	dirs  map[string]string
}

func newMeets() *meets {
	return &meets{files: map[string]string{}, dirs: map[string]string{}}
}

// alike are letters that become one by Unicode's full case folding and not by ToLower;
// golang.org/x/text/cases knows all of them, with half a megabyte of tables.
var alike = strings.NewReplacer("ß", "ss", "ς", "σ", "\u0345", "ι", "i\u0307", "i")

func folded(name string) string { return alike.Replace(strings.ToLower(norm.NFKC.String(name))) }

// add returns the earlier name that this one meets, "" when there is none.
func (m *meets) add(name string, folder bool) string {
	name = strings.TrimSuffix(name, "/")
	key := folded(name)
	if other, twice := m.files[key]; twice {
		return other
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		folded := folded(dir)
		if other, isFile := m.files[folded]; isFile {
			return other
		}
		if other, known := m.dirs[folded]; known && other != dir {
			return other
		}
		m.dirs[folded] = dir
	}
	if other, known := m.dirs[key]; known && (!folder || other != name) {
		return other
	}
	if folder {
		m.dirs[key] = name
	} else {
		m.files[key] = name
	}
	return ""
}

// kindProblem says what an entry is when it is no plain file and no folder.
func kindProblem(f *zip.File) string {
	switch mode := f.Mode(); {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case f.FileInfo().IsDir() || mode.IsRegular():
		return ""
	default:
		return "no regular file (" + mode.Type().String() + ")"
	}
}

func refuse(rule, file, text, fix string) contract.Finding {
	return contract.Finding{Rule: rule, Severity: contract.SeverityError, File: printable(file), Text: text, Fix: fix}
}

// printable keeps a hostile name from reaching a terminal or a JSON reader as it is.
func printable(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	const most = 200
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "") + "…"
	}
	return name
}
