package read

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// unknown is the failure of a dataset in no layout that is read: what is there,
// then what to do about it.
func unknown(f *layout.Folder) error {
	there, hint := inventory(f)
	return contract.Failf(contract.CodeDatasetInvalid, "The dataset is in no layout that is known here for %s. What is there: %s.", f.Task, strings.Join(there, "; ")).
		WithHint("%s", hint)
}

// inventory says what is in a folder, the most telling first, and the way out of
// it that is nearest.
func inventory(f *layout.Folder) (there []string, hint string) {
	hint = "Put annotations.json beside images/, or use one of the layouts that docs/datasets.md shows."
	kinds := make(map[string][]string)
	pictures := 0
	for _, name := range f.Names() {
		if images.IsImage(name) {
			pictures++
			continue
		}
		ext := strings.ToLower(path.Ext(name))
		kinds[ext] = append(kinds[ext], name)
	}
	say := func(text, then string) {
		there = append(there, text)
		if then != "" && len(there) == 1 {
			hint = then
		}
	}
	if list := archives(kinds); len(list) > 0 {
		say(fmt.Sprintf("an archive inside: %s", list[0]), "Unpack "+list[0]+" and upload what is in it.")
	}
	if list := records(f.Names()); len(list) > 0 {
		say(fmt.Sprintf("records of images and labels in %s", list[0]), "Write the images as files, with annotations in one of the layouts that docs/datasets.md shows.")
	}
	if name, then := exportOf(f); name != "" {
		say(name, then)
	}
	if n := f.VOCFiles(); n > 0 {
		say(fmt.Sprintf("%d Pascal VOC files", n), "")
	}
	if yamls := slices.Concat(kinds[".yaml"], kinds[".yml"]); len(yamls) > 0 {
		name, where := yamls[0], "at the top"
		if dir := path.Dir(name); dir != "." {
			where = "in " + dir + "/"
		}
		say(fmt.Sprintf("%s %s", path.Base(name), where), "It needs train, val and names, and the images that they lead to.")
	}
	if tables := f.Tables(); len(tables) > 0 {
		say("tables: "+strings.Join(tables, ", "), "A table of classes needs a column of images that are here and one of classes, for classification; docs/datasets.md shows the layouts that are read.")
	}
	for _, k := range []struct{ ext, what string }{{".json", "JSON files without images and annotations of COCO"}, {".xml", "XML files"}, {".txt", "text files"}} {
		if n := len(kinds[k.ext]); n > 0 {
			say(fmt.Sprintf("%d %s (such as %s)", n, k.what, kinds[k.ext][0]), "")
		}
		delete(kinds, k.ext)
	}
	if others := otherFiles(kinds); len(there) == 0 && len(others) > 0 {
		say(fmt.Sprintf("%d other files (such as %s)", len(others), others[0]), "")
	}
	dirs := f.ImageFolders()
	switch {
	case pictures == 0:
		there = append(there, "no images")
	case f.Classifies() && len(dirs) == 1:
		there = append(there, fmt.Sprintf("%d images in one folder, %s, and no folders of classes", pictures, quoted(dirs[0])))
	case len(dirs) == 1 && dirs[0] == ".":
		there = append(there, fmt.Sprintf("%d images at the top", pictures))
	default:
		there = append(there, fmt.Sprintf("%d images in %s", pictures, some(dirs)))
	}
	return there, hint
}

// otherFiles are those of kinds that nothing else is said of.
func otherFiles(kinds map[string][]string) []string {
	var list []string
	for _, names := range kinds {
		list = append(list, names...)
	}
	slices.Sort(list)
	return list
}

func archives(kinds map[string][]string) []string {
	var list []string
	for _, ext := range []string{".zip", ".7z", ".rar", ".tar", ".gz", ".tgz"} {
		list = append(list, kinds[ext]...)
	}
	slices.Sort(list)
	return list
}

func quoted(dir string) string {
	if dir == "." {
		return "at the top"
	}
	return dir + "/"
}

// some names the first few folders.
func some(dirs []string) string {
	const most = 3
	list := make([]string, 0, most)
	for _, dir := range dirs[:min(most, len(dirs))] {
		if dir == "." {
			dir = "the top"
		} else {
			dir += "/"
		}
		list = append(list, dir)
	}
	text := strings.Join(list, ", ")
	if len(dirs) > most {
		text += fmt.Sprintf(" and %d more folders", len(dirs)-most)
	}
	return text
}
