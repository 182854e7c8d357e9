package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/scan"
)

// judged names the bytes of the file in each finding that an appeal may be about, and makes those
// that the operator has waived for these bytes warnings.
func (w *Work) judged(ctx context.Context, dir string, found []contract.Finding) ([]contract.Finding, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return found, err
	}
	defer func() { _ = root.Close() }()
	sums := map[string]string{} // a file may have many findings
	for i, f := range found {
		if f.Severity != contract.SeverityError || f.File == "" || !scan.Waivable(f.Rule) {
			continue
		}
		if sums[f.File] == "" {
			if sums[f.File], err = sum(root, f.File); err != nil {
				return found, fmt.Errorf("reading %s for its digest: %w", f.File, err)
			}
		}
		found[i].SHA256 = sums[f.File]
		reason, err := w.records.Waived(ctx, f.Rule, found[i].SHA256)
		if err != nil {
			return found, err
		}
		if reason != "" {
			found[i].Severity, found[i].Fix = contract.SeverityWarning, ""
			found[i].Text += " (waived by the operator for a file of these bytes: " + reason + ")"
		}
	}
	return found, nil
}

// sum is the SHA-256 of a file, or of the one that holds it: weights.pt/data.pkl is in weights.pt.
func sum(root *os.Root, name string) (string, error) {
	for i, c := range name {
		if c != '/' {
			continue
		}
		if info, err := root.Lstat(name[:i]); err == nil && info.Mode().IsRegular() {
			name = name[:i]
			break
		}
	}
	file, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
