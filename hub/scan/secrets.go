package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/zricethezav/gitleaks/v8/detect"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	window     = 1 << 20  // bytes that are looked at together
	overlap    = 8 << 10  // of two windows, longer than any key
	maxScanned = 64 << 20 // bytes of a file
	maxSecrets = 50
	secretsFor = 5 * time.Minute // a package made of what looks like keys takes hours
)

// rules are compiled once: there are some two hundred.
var rules = sync.OnceValues(func() (*detect.Detector, error) {
	d, err := detect.NewDetectorDefaultConfig()
	if err == nil {
		d.IgnoreGitleaksAllow = true // an author does not waive findings of his own
	}
	return d, err
})

// secrets looks for keys and tokens by gitleaks' rules. Nothing of a secret is repeated.
func secrets(ctx context.Context, dir string) ([]contract.Finding, map[string]any, error) {
	return secretsWithin(ctx, dir, secretsFor)
}

func secretsWithin(ctx context.Context, dir string, limit time.Duration) (found []contract.Finding, _ map[string]any, err error) {
	detector, err := rules()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the rules of gitleaks: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }()
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		file, err := root.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		more, err := secretsOf(ctx, detector, file, name)
		if found = append(found, more...); len(found) >= maxSecrets {
			found = found[:maxSecrets]
			return fs.SkipAll
		}
		if ctx.Err() != nil && outer.Err() == nil {
			found = append(found, unread(name, fmt.Sprintf("looking for secrets took more than %s, so the package was not scanned from this file on", limit)))
			return fs.SkipAll
		}
		return err
	})
	return found, map[string]any{"rules": len(detector.Config.Rules)}, err
}

// secretsOf looks at one file in windows that overlap.
func secretsOf(ctx context.Context, detector *detect.Detector, in io.Reader, name string) (found []contract.Finding, err error) {
	type place struct {
		rule string
		line int
	}
	seen := map[place]bool{}
	buffer, kept, lines, read := make([]byte, window), 0, 0, 0
	for ctx.Err() == nil {
		n, err := io.ReadFull(in, buffer[kept:])
		text := bytes.ReplaceAll(buffer[:kept+n], []byte{0}, nil) // UTF-16 too
		for _, s := range detector.DetectString(string(text)) {
			p := place{s.RuleID, lines + s.StartLine + 1}
			if !seen[p] {
				seen[p] = true
				found = append(found, contract.Finding{
					Rule: "secret." + s.RuleID, Severity: contract.SeverityError, File: name, Line: p.line,
					Text: "it looks like a secret (" + s.RuleID + ")", Fix: "take it out, revoke it, and read it from the environment",
				})
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		if read += n; read > maxScanned {
			return append(found, unread(name, fmt.Sprintf("only the first %d MiB were scanned for secrets", maxScanned>>20))), nil
		}
		lines += bytes.Count(buffer[:window-overlap], []byte{'\n'})
		kept = copy(buffer, buffer[window-overlap:])
	}
	return found, ctx.Err()
}

// unread is the finding of a file that is too much for the scan.
func unread(name, text string) contract.Finding {
	f := missing("secrets", text)
	f.File, f.Fix = name, "leave data out of the package"
	return f
}
