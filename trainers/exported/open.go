package exported

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Limits of a package and of what is read of it.
const (
	maxEntries  = 10_000
	maxUnpacked = 16 << 30
	maxXML      = 64 << 20 // of an OpenVINO model, up to its metadata
)

// encrypted is the bit of a zip entry's flags; archive/zip passes over it.
const encrypted = 1

// Found is what a path is.
type Found struct {
	Path     string    `json:"path"`
	Kind     string    `json:"kind"`   // package, folder, model
	Source   string    `json:"source"` // where the metadata was: metadata.json, or the model itself
	Metadata *Metadata `json:"metadata"`
	ONNX     *ONNX     `json:"onnx,omitempty"`
	Checksum string    `json:"checksum"` // matches, differs, unknown
	// Differences are what metadata.json says otherwise than the model itself.
	Differences []string `json:"differences,omitempty"`
	Contents    []string `json:"contents,omitempty"`
}

// Inspect reads a model's file, a package's folder or a package.zip.
func Inspect(path string) (*Found, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if _, err := os.Stat(filepath.Join(path, "metadata.json")); err == nil {
			return inspectTree(path, os.DirFS(path), "folder")
		}
		return inspectModel(path)
	}
	if strings.EqualFold(filepath.Ext(path), ".zip") {
		archive, err := openZip(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = archive.Close() }()
		return inspectTree(path, archive, "package")
	}
	return inspectModel(path)
}

// openZip opens a package and refuses one that is too large to be one.
func openZip(path string) (*zip.ReadCloser, error) {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("%s is no package of an exported model: %w", path, err)
	}
	total := uint64(0)
	for _, file := range archive.File {
		total += min(file.UncompressedSize64, maxUnpacked+1) // no sum of wrong sizes wraps around
		if !fs.ValidPath(strings.TrimSuffix(file.Name, "/")) || strings.Contains(file.Name, `\`) || file.Mode()&fs.ModeSymlink != 0 {
			err = fmt.Errorf("%s holds %q: names must stay inside and be no links", path, file.Name)
		}
		if file.Flags&encrypted != 0 {
			err = fmt.Errorf("%s is encrypted: unpack it with its password and inspect the folder", path)
		}
	}
	if len(archive.File) > maxEntries || total > maxUnpacked {
		err = fmt.Errorf("%s holds %d files of %d bytes, more than a package does", path, len(archive.File), total)
	}
	if err != nil {
		_ = archive.Close()
		return nil, err
	}
	return archive, nil
}

func inspectTree(path string, tree fs.FS, kind string) (*Found, error) {
	text, err := readLimited(tree, "metadata.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no metadata.json: it is no package of an exported model", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: reading metadata.json: %w", path, err)
	}
	metadata, err := ParseMetadata(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := fs.Stat(tree, metadata.Model.File); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no %s, which its metadata.json describes: take the whole package", path, metadata.Model.File)
	}
	found := &Found{Path: path, Kind: kind, Source: "metadata.json", Metadata: metadata}
	if err := found.compare(tree, text); err != nil {
		return nil, fmt.Errorf("%s in %s: %w", metadata.Model.File, path, err)
	}
	found.Contents, err = listing(tree)
	return found, err
}

// listing names the files, of folders with many files only the folder.
func listing(tree fs.FS) (names []string, err error) {
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if len(names) >= maxEntries {
			return fs.SkipAll
		}
		names = append(names, name)
		return nil
	})
	return names, err
}

func readLimited(tree fs.FS, name string) ([]byte, error) {
	file, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("%s is larger than %d MB", name, maxText>>20)
	}
	return text, err
}

// inspectModel reads a model by itself: its package's metadata.json around it, which also knows sums and parity, or what the file says of itself.
func inspectModel(path string) (*Found, error) {
	around := filepath.Dir(path)
	if whole, err := inspectTree(around, os.DirFS(around), "folder"); err == nil && filepath.Clean(whole.Metadata.Model.File) == filepath.Base(path) {
		whole.Path, whole.Kind, whole.Contents = path, "model", nil
		return whole, nil
	}
	found := &Found{Path: path, Kind: "model", Source: "the model", Checksum: "unknown"}
	text, err := found.within(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if text == "" {
		return found.bare(path)
	}
	if found.Metadata, err = ParseMetadata([]byte(text)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return found, nil
}

// bare is a model of which nobody says what it is for; an ONNX file still names its inputs and outputs.
func (f *Found) bare(path string) (*Found, error) {
	if f.ONNX == nil {
		return nil, fmt.Errorf("%s holds no metadata, and no metadata.json beside it describes it: it was not exported by a trainer of this agent, or its package was taken apart", path)
	}
	f.Source = "none"
	return f, nil
}

// within is the metadata inside a model's file; "" where it has none.
func (f *Found) within(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		models, _ := fs.Glob(os.DirFS(path), "*.xml") // the pattern is well-formed
		if len(models) != 1 {
			return "", nil // Core ML's is a binary program: metadata.json beside it tells
		}
		path = filepath.Join(path, models[0])
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	return f.says(file, path)
}

// openvinoMetadata is the value of rt_info's element "metadata".
func openvinoMetadata(r io.Reader) (string, error) {
	decoder := xml.NewDecoder(io.LimitReader(r, maxXML))
	inside := false
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("not an OpenVINO model: %w", err)
		}
		switch element := token.(type) {
		case xml.StartElement:
			inside = inside || element.Name.Local == "rt_info"
			if inside && element.Name.Local == "metadata" {
				for _, attribute := range element.Attr {
					if attribute.Name.Local == "value" {
						return attribute.Value, nil
					}
				}
			}
		case xml.EndElement:
			inside = inside && element.Name.Local != "rt_info"
		}
	}
}
