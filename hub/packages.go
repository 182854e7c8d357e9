package hub

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/hub/blob"
)

// packages opens what keeps packages. A bucket that is away is waited for: what is published is
// served meanwhile.
func (c Config) packages(ctx context.Context) (blob.Store, error) {
	dir := filepath.Join(c.DataDir, "packages")
	if c.Packages == nil {
		return blob.Open(dir)
	}
	// Copies have another folder: of what lies here the bucket may have nothing.
	if left, err := fs.Glob(os.DirFS(dir), "??/*.zip"); err != nil || len(left) > 0 {
		return nil, fmt.Errorf("%s has %d packages of the time before the bucket: move them (aws s3 mv --recursive %s s3://BUCKET/packages), and start the hub again", dir, len(left), dir)
	}
	kept, err := blob.OpenBucket(c.Packages, filepath.Join(c.DataDir, "copies"), blob.MaxCopies)
	if err != nil {
		return nil, err
	}
	if err := kept.Ready(ctx); err != nil {
		c.Log.Error("no package can be taken or proven until it is back", "error", err)
	}
	return kept, nil
}
