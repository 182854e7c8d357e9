package publish

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

func sha(digest string) map[string]string {
	return map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}
}

// provenance says what a release was made of, signed. It has no times: the same release
// has the same provenance.
func (p *Publisher) provenance(in Input, release contract.Release) ([]byte, error) {
	s := contract.Statement{Type: contract.StatementType, PredicateType: contract.ProvenanceType}
	s.Subject = []contract.Resource{{Name: contract.BundleName(in.Package.Name), Digest: sha(release.Bundle)}}
	build := &s.Predicate.BuildDefinition
	build.BuildType = contract.BuildType
	build.ExternalParameters = map[string]string{
		"name": in.Package.Name, "version": in.Package.Version, "package_sha256": in.Package.SHA256,
		"python": in.Python, "platform": in.Platform, "isolation": in.Isolation,
	}
	if in.Base != nil {
		s.Subject = append(s.Subject, contract.Resource{Name: in.Package.Name, Digest: sha(release.Image)})
		build.Dependencies = append(build.Dependencies, contract.Resource{Name: in.Base.Name, Digest: sha(in.Base.Digest)})
	}
	for _, w := range in.Wheels {
		build.Dependencies = append(build.Dependencies, contract.Resource{Name: filepath.Base(w.Path), Digest: sha(w.SHA256)})
	}
	s.Predicate.RunDetails.Byproducts = []contract.Resource{{Name: contract.SBOMName, Digest: sha(release.SBOM)}}
	builder := &s.Predicate.RunDetails.Builder
	builder.ID, builder.Version = "trainer-hub/"+p.Key.ID(), map[string]string{"trainer-hub": contract.Version}
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing the provenance: %w", err)
	}
	envelope := contract.Envelope{PayloadType: contract.MediaAttestation, Payload: payload}
	envelope.Signatures = []contract.Signature{{KeyID: p.Key.ID(), Sig: p.Key.sign(envelope.Signed())}}
	return json.Marshal(envelope)
}
