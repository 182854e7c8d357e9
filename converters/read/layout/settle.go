package layout

import (
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// Settle gives the images their split fields. A dataset without train or without
// val has not said how to share these out: that is decided as if it had said
// nothing, among the images that are not for testing.
func Settle(c *dataset.Catalog, problems *problem.List) {
	counts := make(map[contract.Split]int)
	for _, im := range c.Images {
		counts[im.Split]++
	}
	c.Fixed, c.Only = true, ""
	for _, split := range []contract.Split{contract.SplitVal, contract.SplitTest} {
		if counts[split] > 0 && counts[split] == len(c.Images) {
			c.Only = split
		}
	}
	whole := counts[contract.SplitTrain] > 0 && counts[contract.SplitVal] > 0
	tests := counts[contract.SplitTest] > 0 && counts[contract.SplitTest] < len(c.Images)
	for i := range c.Images {
		im := &c.Images[i]
		if im.HasSplit = whole || tests; !whole && (im.Split != contract.SplitTest || !tests) {
			im.Split = ""
		}
	}
	if !whole && tests {
		problems.AddN(problem.NoValidationSplit, len(c.Images)-counts[contract.SplitTest], 0, "%d more are for testing", counts[contract.SplitTest])
	}
}
