package split

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/contract"
)

// respelled is a strategy whose names are spelled as the images' files are, where
// they mean the same: with images/ in front or without, with slashes either way, in
// either Unicode form. A name that fits an image as it is, or two images, stays.
func respelled(s *contract.SplitStrategy, images []Image) *contract.SplitStrategy {
	if s == nil || len(s.CustomSplits) == 0 && len(s.ExcludeImages) == 0 {
		return s
	}
	exact := make(map[string]bool, 2*len(images))
	for _, im := range images {
		exact[im.ID], exact[im.File] = true, true
	}
	strange := slices.ContainsFunc(s.ExcludeImages, func(name string) bool { return !exact[name] })
	for name := range s.CustomSplits {
		strange = strange || !exact[name]
	}
	if !strange {
		return s
	}
	files := make(map[string]string, len(images))
	for _, im := range images {
		key := spelled(im.File)
		if _, twice := files[key]; twice {
			files[key] = ""
			continue
		}
		files[key] = im.File
	}
	name := func(written string) string {
		if file := files[spelled(written)]; !exact[written] && file != "" {
			return file
		}
		return written
	}
	out := *s
	out.ExcludeImages = make([]string, len(s.ExcludeImages))
	for i, written := range s.ExcludeImages {
		out.ExcludeImages[i] = name(written)
	}
	if s.CustomSplits == nil {
		return &out
	}
	out.CustomSplits = make(map[string]contract.Split, len(s.CustomSplits))
	for written, split := range s.CustomSplits {
		file := name(written)
		if _, asItIs := s.CustomSplits[file]; asItIs && file != written {
			file = written // both are there: what is written exactly counts
		}
		if before, twice := out.CustomSplits[file]; twice && before != split {
			return s // it contradicts itself, and is not interpreted
		}
		out.CustomSplits[file] = split
	}
	return &out
}

func spelled(name string) string {
	name = path.Clean(strings.ReplaceAll(norm.NFC.String(name), `\`, "/"))
	return strings.TrimPrefix(strings.TrimPrefix(name, "/"), "images/")
}
