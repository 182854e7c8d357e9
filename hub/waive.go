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
	for i, f := range found {
		if f.Severity != contract.SeverityError || f.File == "" || !scan.Waivable(f.Rule) {
			continue
		}
		if found[i].SHA256, err = sum(root, f.File); err != nil {
			return found, fmt.Errorf("reading %s for its digest: %w", f.File, err)
		}
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

func sum(root *os.Root, name string) (string, error) {
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
