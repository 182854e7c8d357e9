package static

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/pickles"
)

const (
	maxText     = 4 << 20 // bytes of a file that is read line by line
	maxFindings = 200
	head        = 512
)

// Check looks at every file below dir; skip names folders that are left out wherever
// they lie. An error is a fault of this machine.
func Check(dir string, skip ...string) (found []contract.Finding, err error) {
	root, err := os.OpenRoot(dir) // a link in the package leads nowhere else
	if err != nil {
		return nil, fmt.Errorf("opening the package: %w", err)
	}
	defer func() { _ = root.Close() }()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains(skip, d.Name()):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type()&fs.ModeSymlink != 0:
			found = append(found, refuse("package.link", name, "it is a symbolic link", "put the file itself in its place"))
		case d.Type().IsRegular():
			more, err := file(root, name)
			found = append(found, more...)
			if err != nil {
				return err
			}
		}
		if len(found) >= maxFindings {
			return fs.SkipAll
		}
		return nil
	})
	return found, err
}

// file takes the checks that fit a file by its name and its first bytes.
func file(root *os.Root, name string) ([]contract.Finding, error) {
	in, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the package: %w", err)
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the package: %w", err)
	}
	start := make([]byte, head)
	n, err := in.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the package: %w", err)
	}
	found := binary(start[:n], name)
	if lines := rulesOf(name); len(lines) > 0 {
		body, err := io.ReadAll(io.NewSectionReader(in, 0, maxText))
		if err != nil {
			return nil, fmt.Errorf("reading the package: %w", err)
		}
		found = append(found, apply(lines, name, body)...)
		if requirements(name) {
			found = append(found, encoding(name, body)...)
		}
		if info.Size() > maxText {
			found = append(found, refuse("package.large-source", name, fmt.Sprintf("it is a source file of more than %d MiB, which nobody can read", maxText>>20), "put data into files of data"))
		}
	}
	if strings.HasPrefix(path.Base(name), "sitecustomize.") || strings.HasPrefix(path.Base(name), "usercustomize.") {
		found = append(found, refuse("install.startup", name, "Python runs it at every start, before train.py", "put its code into train.py"))
	}
	return append(found, pickles.Scan(in, info.Size(), name, nil)...), nil
}

// binary recognises native programs and archives by their first bytes.
func binary(start []byte, name string) []contract.Finding {
	for mark, kind := range map[string]string{"\x7fELF": "Linux", "MZ": "Windows", "\xcf\xfa\xed\xfe": "macOS", "\xca\xfe\xba\xbe": "macOS or Java"} {
		if bytes.HasPrefix(start, []byte(mark)) && (kind != "Windows" || bytes.Contains(start, []byte("PE\x00\x00")) || strings.HasSuffix(name, ".exe")) {
			return []contract.Finding{refuse("package.native", name, "it is a native program or library ("+kind+"), which cannot be looked into", "depend on a wheel that has it")}
		}
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".whl", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".jar", ".egg", ".deb", ".rpm":
		return []contract.Finding{{Rule: "package.archive", Severity: contract.SeverityWarning, File: name, Text: "it is an archive, and what is in it was not looked at", Fix: "put its files into the package"}}
	}
	return nil
}

func refuse(rule, file, text, fix string) contract.Finding {
	return contract.Finding{Rule: rule, Severity: contract.SeverityError, File: file, Text: text, Fix: fix}
}
