package dataset

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
)

// byName is a fetch of only those images that annotations name.
type byName struct{ *fetcher }

// onlyAnnotated keeps everything but the images that no annotations name. Where
// names cannot be told everything is fetched: to leave out what a conversion would
// have found is worse than a longer download.
func (f byName) onlyAnnotated(ctx context.Context, l *listing) error {
	keys := f.annotationKeys(l)
	if len(keys) == 0 {
		return nil
	}
	paths := make([]string, len(l.items))
	for i := range l.items {
		paths[i] = l.items[i].path
	}
	listed, named := images.Listed(paths), map[string]bool{}
	for _, key := range keys {
		names, err := f.fileNames(ctx, key)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a snapshot without a file
		case err != nil && ctx.Err() != nil, err != nil && f.SnapshotID != "":
			return err
		case err != nil:
			f.Log.Warn("all images are fetched: an annotations file cannot be read", "object", f.store.URI(key), "error", err)
			return nil
		case names.Unnamed > 0:
			f.Log.Warn("all images are fetched: the annotations do not name the files of some", "object", f.store.URI(key), "images", names.Unnamed)
			return nil
		}
		match := listed.Named(names.ImageRoot, names.Names)
		for i := range names.Names {
			named[match.File(i)] = true // of a name that leads nowhere: ""
		}
	}
	l.keepNamed(f.fetcher, named)
	return nil
}

// keepNamed leaves the images below images/ out that are not named.
func (l *listing) keepNamed(f *fetcher, named map[string]bool) {
	var kept []item
	left := 0
	for _, it := range l.items {
		image := strings.HasPrefix(it.path, "images/") && images.IsImage(it.path)
		if !image || named[it.path] {
			kept = append(kept, it)
		}
		if image && named[it.path] {
			left++
		}
	}
	if left == 0 && len(kept) < len(l.items) {
		f.Log.Warn("all images are fetched: none has a name that the annotations know", "images", len(l.items)-len(kept))
		return
	}
	f.Log.Info("leaving out images that the annotations do not name", "images", len(l.items)-len(kept))
	l.items = kept
}

// annotationKeys are the snapshot's file, or every annotations file at the top.
func (f byName) annotationKeys(l *listing) []string {
	if f.SnapshotID != "" {
		return []string{contract.SnapshotKey(f.ID, f.SnapshotID)}
	}
	var keys []string
	for i := range l.items {
		name := l.items[i].path
		if strings.HasPrefix(name, "annotations") && strings.HasSuffix(name, ".json") && !strings.Contains(name, "/") {
			keys = append(keys, l.prefix+l.items[i].key)
		}
	}
	return keys
}

func (f byName) fileNames(ctx context.Context, key string) (platform.FileNames, error) {
	r, _, err := f.store.Get(ctx, key, 0, -1, "")
	if err != nil {
		return platform.FileNames{}, err
	}
	defer func() { _ = r.Close() }()
	return platform.ReadFileNames(r, f.store.URI(key))
}
