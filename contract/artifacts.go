package contract

import (
	"path"
	"slices"
	"strings"
)

// MaxArtifacts bounds the list in a final callback.
const MaxArtifacts = 500

// ListArtifacts makes the list of a final callback from everything that was uploaded:
// one entry for each file at the top and for each folder below it, whose size is that
// of all its files, and the newest MaxArtifacts of them. dropped counts what is left
// out; the manifest in the bucket has it.
func ListArtifacts(all []Artifact) (list []Artifact, dropped int) {
	at := map[string]int{}
	for _, a := range all {
		folder, rest, deep := strings.Cut(a.Name, "/")
		if !deep {
			list = append(list, a)
			continue
		}
		name := folder + "/"
		i, known := at[name]
		if !known {
			i = len(list)
			at[name] = i
			list = append(list, Artifact{Name: name, Path: strings.TrimSuffix(a.Path, path.Clean(rest))})
		}
		list[i].SizeBytes += a.SizeBytes
	}
	if dropped = len(list) - MaxArtifacts; dropped > 0 {
		return slices.Clone(list[dropped:]), dropped
	}
	return list, 0
}
