package build

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// usual is where programs are looked for where an image does not say it.
const usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// searched is where an image's programs are looked for.
func searched(env []string) string {
	if own := value(env, "PATH"); own != "" {
		return own
	}
	return usual
}

// interpreter is where an image has its Python of a version: environments name it by its
// path. The last layers are read first, and none below the one that has it.
func interpreter(image v1.Image, env []string, version string) (string, error) {
	var wanted []string
	for dir := range strings.SplitSeq(searched(env), ":") {
		if path.IsAbs(dir) {
			wanted = append(wanted, path.Join(dir, "python"+version))
		}
	}
	layers, err := image.Layers()
	if err != nil {
		return "", err
	}
	for _, layer := range slices.Backward(layers) {
		there, err := among(layer, wanted)
		if err != nil {
			return "", err
		}
		for _, name := range wanted {
			if there[name] {
				return name, nil
			}
		}
		// What a layer takes away is not there, although one below has it.
		wanted = slices.DeleteFunc(wanted, func(name string) bool { return there[path.Join(path.Dir(name), gone+path.Base(name))] })
	}
	return "", fmt.Errorf("there is no python%s in %s", version, searched(env))
}

// gone begins the name of a file that a layer takes away, by the image specification.
const gone = ".wh."

// among are those of the wanted files that a layer has or takes away.
func among(layer v1.Layer, wanted []string) (_ map[string]bool, err error) {
	from, err := layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	there := map[string]bool{}
	for in := tar.NewReader(from); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return there, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a layer: %w", err)
		}
		name := path.Join("/", header.Name)
		if slices.Contains(wanted, path.Join(path.Dir(name), strings.TrimPrefix(path.Base(name), gone))) {
			there[name] = true
		}
	}
}
