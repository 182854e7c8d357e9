package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// lossCauses are the words of a loss that is no number any more.
var lossCauses = []cause{
	{
		code: contract.CodeNaNLoss, like: pattern.Of(`(?i)loss (?:is|became|=) ?(?:nan|inf|infinite|non-finite)\b|(?:nan|inf)[/ ]?(?:or )?(?:inf|nan)? (?:loss|detected in loss)|cost matrix is infeasible|matrix contains invalid numeric entries|Function '\w+' returned nan values|returned nan values in its|FloatingPointError: invalid value \((?:nan|inf)\) encountered|non-finite loss|loss is not finite|Invalid loss, terminating training|contain(?:s|ed)? inf/nan|training has diverged|nans? (?:values? )?(?:(?:was|were) )?(?:found |detected |encountered )?in (?:the )?(?:\w+ )?loss\b|loss (?:contains|contained|has) (?:a )?(?:nan|inf)\b|found (?:nan|inf) in (?:the )?(?:\w+ )?loss\b|loss(?:es)? (?:has |have |got )?(?:gone|turned|diverged to|reached) (?:to )?(?:nan|inf)`),
	}, { // in whatever words: that of an exception is no line of a log that merely shows the loss
		code: contract.CodeNaNLoss, raised: true, like: pattern.Of(`(?i)\b\w*loss(?:es)?(?:_\w+)?\b[^\n.,]{0,40}\b(?:nans?|infinite|non-?finite|not finite)\b|\b(?:nans?|non-?finite)\b[^\n.,]{0,20}\b\w*loss(?:es)?(?:_\w+)?\b|\b(?:diverged|training failed|exploded)\b[^\n]{0,30}\bnans?\b|\bnans? persisted|corrupted with nans?\b`),
		unless: pattern.Of(`(?i)\bmonitor|early ?stopping`), without: pattern.Of(`(?i)\b(?:loss|class|pos|sample)[ _]weight|loss[ _]scale`),
	}, {
		code: contract.CodeNaNLoss, raised: true, like: pattern.Of(`^AssertionError\b`), stack: pattern.Of(`assert (?:not )?(?:\w+\.)*is(?:nan|finite|inf)\(\w*loss`),
	},
}
