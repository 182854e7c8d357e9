package readme_test

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/hub/readme"
)

func TestTheReadmeIsThatOfThePackagesOwnFolder(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"at the top":                  {map[string]string{"capabilities.json": "{}", "README.md": "mine", "docs/README.md": "theirs"}, "mine"},
		"in the only folder":          {map[string]string{"cells/capabilities.json": "{}", "cells/README.md": "mine", "cells/docs/README.md": "theirs"}, "mine"},
		"none but of a folder below":  {map[string]string{"capabilities.json": "{}", "converters/README.md": "theirs"}, "[]"},
		"one that is shown in part":   {map[string]string{"capabilities.json": "{}", "README.md": strings.Repeat("many words\n\n", 30_000)}, "Only the first 64 KiB are shown"},
		"one that is as long as that": {map[string]string{"capabilities.json": "{}", "README.md": strings.Repeat("x\n\n", 64<<10/3)}, "x"},
	} {
		file := filepath.Join(t.TempDir(), "package.zip")
		pack(t, file, c.files)
		got, err := readme.Read(file)
		text, wrong := json.Marshal(got.Readme)
		if err != nil || wrong != nil || !strings.Contains(string(text), c.want) || strings.Contains(string(text), "theirs") {
			t.Errorf("%s: %.300s %v %v, want %s", name, text, err, wrong, c.want)
		}
		if strings.Contains(string(text), "Only the first") != strings.HasPrefix(c.want, "Only the first") {
			t.Errorf("%s: it is wrong that it is cut", name)
		}
	}
}

func pack(t *testing.T, file string, files map[string]string) {
	t.Helper()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	z := zip.NewWriter(out)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
