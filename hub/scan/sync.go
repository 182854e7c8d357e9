package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	// AdvisoriesURL is where OSV keeps what is known of Python packages (osv.dev).
	AdvisoriesURL = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
	maxArchive    = 1 << 30 // bytes
	syncTimeout   = 10 * time.Minute
)

// Sync fetches the advisories to a file. The file is replaced only by an archive that
// could be read whole.
func Sync(ctx context.Context, address, to string) (a *Advisories, err error) {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("fetching the vulnerability data: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetching the vulnerability data: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching the vulnerability data: %s answers %s", address, response.Status)
	}
	partial, err := os.CreateTemp(filepath.Dir(to), ".advisories-*")
	if err != nil {
		return nil, fmt.Errorf("writing the vulnerability data: %w", err)
	}
	defer func() { _ = os.Remove(partial.Name()) }() // gone when it was renamed
	n, err := io.Copy(partial, io.LimitReader(response.Body, maxArchive+1))
	if err = errors.Join(err, partial.Sync(), partial.Close()); err != nil {
		return nil, fmt.Errorf("writing the vulnerability data: %w", err)
	}
	if n > maxArchive {
		return nil, fmt.Errorf("fetching the vulnerability data: more than %d bytes came", maxArchive)
	}
	if a, err = ReadAdvisories(partial.Name()); err != nil {
		return nil, err
	}
	if err := os.Rename(partial.Name(), to); err != nil {
		return nil, fmt.Errorf("writing the vulnerability data: %w", err)
	}
	return a, nil
}
