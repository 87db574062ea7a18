package awssim

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// createProvider accepts what AWS accepts: an https URL without a port. The keys
// are fetched when the first token arrives.
func createProvider(c *iamCall) ([]node, error) {
	issuer := c.required("Url", urlShape)
	clientIDs, thumbs := c.params.list("ClientIDList"), c.params.list("ThumbprintList")
	c.size("ClientIDList", len(clientIDs), 100)
	c.size("ThumbprintList", len(thumbs), 5)
	for _, id := range clientIDs {
		c.text("clientIDList", id, urlShape)
	}
	for _, t := range thumbs {
		c.text("thumbprintList", t, shape{min: 40, max: 40})
	}
	tags, err := c.newTags()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Port() != "" || u.User != nil {
		return nil, refuse(http.StatusBadRequest, "InvalidInput", "Invalid Open ID Connect Provider URL")
	}
	p, err := newProvider(c.account, issuer, clientIDs, c.now)
	if err != nil {
		return nil, err
	}
	if err := c.permitWith(p.arn, nil, tags); err != nil {
		return nil, err
	}
	switch {
	case c.account.providers[p.name] != nil:
		return nil, alreadyExists("Provider with url %s already exists.", issuer)
	case len(c.account.providers) >= 100:
		return nil, overLimit("Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100")
	}
	p.thumbs, p.tags = thumbs, tags
	c.account.providers[p.name] = p
	return []node{leaf("OpenIDConnectProviderArn", p.arn)}, nil
}

// provider returns the provider that OpenIDConnectProviderArn names.
func (c *iamCall) provider() (*provider, error) {
	raw := c.required("OpenIDConnectProviderArn", arnShape)
	if err := c.err(); err != nil {
		return nil, err
	}
	name, _ := strings.CutPrefix(raw, c.account.arn("iam", "oidc-provider/"))
	p := c.account.providers[name]
	if p == nil {
		if err := c.permit(raw, nil); err != nil {
			return nil, err
		}
		return nil, noSuchEntity("OpenIDConnect Provider not found for arn %s", raw)
	}
	return p, c.permit(p.arn, p.tags)
}

func getProvider(c *iamCall) ([]node, error) {
	p, err := c.provider()
	if err != nil {
		return nil, err
	}
	return []node{
		leaf("Url", p.name),
		textMembers("ClientIDList", p.clientIDs...),
		textMembers("ThumbprintList", p.thumbs...),
		instant("CreateDate", p.created),
		tagsNode(p.tags),
	}, nil
}

func listProviders(c *iamCall) ([]node, error) {
	if err := c.permit("*", nil); err != nil {
		return nil, err
	}
	var items [][]node
	for _, name := range slices.Sorted(maps.Keys(c.account.providers)) {
		items = append(items, []node{leaf("Arn", c.account.providers[name].arn)})
	}
	return []node{members("OpenIDConnectProviderList", items...)}, nil
}

func deleteProvider(c *iamCall) error {
	p, err := c.provider()
	if err != nil {
		return err
	}
	delete(c.account.providers, p.name)
	return nil
}
