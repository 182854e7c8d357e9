package converters

import (
	"strings"

	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// similarNames warns of classes that people write alike: Cat, cat and "cat ".
func (j *conversion) similarNames() {
	first := make(map[string]string, len(j.catalog.Classes))
	for i, c := range j.catalog.Classes {
		key := strings.ToLower(strings.Join(strings.FieldsFunc(c.Name, isBlank), " "))
		if other, there := first[key]; there && other != c.Name {
			j.problems.Add(problem.SimilarClassNames, i, "%q and %q", other, c.Name)
			continue
		}
		first[key] = c.Name
	}
}

func isBlank(r rune) bool { return r == ' ' || r == '_' || r == '-' || r == '\t' }
