package converters

import (
	"cmp"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/unpack"
)

// besideFolder counts the images that are not in the folder that the dataset is in.
func besideFolder(folder *images.Folder, dir string, problems *problem.List) error {
	tree, err := folder.Tree()
	if err != nil {
		return err
	}
	inside, outside, first := 0, 0, ""
	tree.Any(func(name string) bool {
		switch {
		case !images.IsImage(name):
		case strings.HasPrefix(name, dir+"/"):
			inside++
		default:
			outside, first = outside+1, cmp.Or(first, name)
		}
		return false
	})
	kind := problem.UnlistedFile
	if outside > inside {
		kind = problem.MostlyUnlisted
	}
	if outside > 0 {
		problems.AddN(kind, outside, 0, "beside %s/, such as %s", dir, first)
	}
	return nil
}

// besideAnnotations names tables with images beside the platform's own annotations,
// which count.
func besideAnnotations(r Request, found *recognised, problems *problem.List) error {
	if found.Name != "platform" || r.Annotations != "" {
		return nil
	}
	tree, err := found.folder.Tree()
	if err != nil || !tree.Any(unpack.MayHold) {
		return err
	}
	tables, err := unpack.Find(tree)
	if tables != nil {
		problems.Add(problem.TablesBeside, 0, "%s", filepath.Base(tables.First()))
	}
	return err
}
