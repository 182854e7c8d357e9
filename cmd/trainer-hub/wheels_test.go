package main_test

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// required are the packages that the starter trains with.
var required = []string{"numpy", "pillow"}

// wheels is a folder with the required packages as wheels, made of what the trainers'
// environment has, so that no index is asked.
func wheels(t *testing.T) (dir, requirements string) {
	t.Helper()
	python := need.Python(t)
	dir = filepath.Join(programs, "wheels")
	var err error
	madeWheels.Do(func() {
		for _, name := range required {
			if err = rewheel(filepath.Join(filepath.Dir(filepath.Dir(python)), "lib", "python*", "site-packages"), name, dir); err != nil {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range required {
		made, err := filepath.Glob(filepath.Join(dir, name+"-*.whl"))
		if len(made) != 1 || err != nil {
			t.Fatalf("wheels %v, %v", made, err)
		}
		parts := strings.Split(filepath.Base(made[0]), "-")
		requirements += parts[0] + "==" + parts[1] + "\n"
	}
	return dir, requirements
}

var madeWheels sync.Once

// rewheel packs an installed package into a wheel again.
func rewheel(site, name, dir string) error {
	records, err := filepath.Glob(filepath.Join(site, name+"-*.dist-info", "RECORD"))
	if err != nil || len(records) != 1 {
		return fmt.Errorf("%s is not installed: %v, %w", name, records, err)
	}
	info := filepath.Dir(records[0])
	wheel, err := os.ReadFile(filepath.Join(info, "WHEEL"))
	if err != nil {
		return err
	}
	_, tag, _ := strings.Cut(string(wheel), "\nTag: ")
	tag, _, _ = strings.Cut(tag, "\n")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(dir, strings.TrimSuffix(filepath.Base(info), ".dist-info")+"-"+strings.TrimSpace(tag)+".whl"))
	if err != nil {
		return err
	}
	z := zip.NewWriter(out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	if err := pour(z, filepath.Dir(info), records[0]); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return out.Close()
}

// pour copies the files of a RECORD that a wheel has, and lists them.
func pour(z *zip.Writer, site, record string) error {
	list, err := os.Open(record)
	if err != nil {
		return err
	}
	defer func() { _ = list.Close() }()
	own, _ := filepath.Rel(site, record)
	var kept strings.Builder
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		name, _, _ := strings.Cut(lines.Text(), ",")
		switch base := filepath.Base(name); {
		case strings.HasPrefix(name, ".."), strings.HasSuffix(name, ".pyc"), base == "RECORD", base == "INSTALLER", base == "REQUESTED", base == "direct_url.json", strings.Contains(name, "/tests/"):
			continue
		}
		text, err := os.ReadFile(filepath.Join(site, name))
		if err != nil {
			return err
		}
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			return err
		}
		kept.WriteString(lines.Text() + "\n")
	}
	w, err := z.Create(own)
	if err == nil {
		_, err = io.WriteString(w, kept.String()+own+",,\n")
	}
	return err
}
