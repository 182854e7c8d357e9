package telemetry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/contract"
)

// WriteResult writes result.json, without secrets, whole or not at all.
func WriteResult(path string, r contract.Result, secrets *redact.Redactor) ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the result: %w", err)
	}
	b = append(secrets.JSON(b), '\n')
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return b, fmt.Errorf("writing the result: %w", err)
	}
	if err := atomicfile.Write(path, b, 0o644); err != nil {
		return b, fmt.Errorf("writing the result: %w", err)
	}
	return b, nil
}
