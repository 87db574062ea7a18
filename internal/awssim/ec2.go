package awssim

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EC2: a few calls, to see what a policy lets a session do. Instances are records only.

// ec2XML is EC2's own dialect: another form of errors, and results without a Result element.
type ec2XML struct{}

func (ec2XML) writeAnswer(w http.ResponseWriter, id string, op *operation, result []node) {
	writeXML(w, http.StatusOK, op.namespace, group(op.action+"Response",
		append([]node{leaf("requestId", id)}, result...)...))
}

func (ec2XML) writeError(w http.ResponseWriter, id, _ string, err error) {
	e := ec2Error(asError(err))
	writeXML(w, e.Status, "", group("Response",
		group("Errors", group("Error", leaf("Code", e.Code), leaf("Message", e.Message))),
		leaf("RequestID", id),
	))
}

// ec2Error renames the errors of authentication as EC2 does.
func ec2Error(e *Error) *Error {
	switch e.Code {
	case "InvalidClientTokenId":
		return refuse(http.StatusUnauthorized, "AuthFailure",
			"AWS was not able to validate the provided access credentials")
	case "ExpiredToken":
		return refuse(http.StatusBadRequest, "RequestExpired", "Request has expired.")
	}
	return e
}

// instance is an EC2 instance. It never runs anything.
type instance struct {
	id, region, image, kind string
	terminated              bool
	launched                time.Time
}

func (i *instance) arn(a *account) string {
	return "arn:" + a.partition + ":ec2:" + i.region + ":" + a.id + ":instance/" + i.id
}

func (i *instance) state(name string) node {
	code, word := 16, "running"
	if i.terminated {
		code, word = 48, "terminated"
	}
	return group(name, number("code", code), leaf("name", word))
}

func (i *instance) node() node {
	return group("item", leaf("instanceId", i.id), leaf("imageId", i.image), i.state("instanceState"),
		leaf("instanceType", i.kind), instant("launchTime", i.launched))
}

// ec2Call is a call on the caller's account.
type ec2Call struct {
	*call
	action  string
	account *account
}

// onEC2 runs an EC2 call, from the permission check to the change, under the lock.
func onEC2(name string, run func(*ec2Call) ([]node, error), members ...string) operation {
	return operation{service: ec2API, action: name, run: func(c *call) ([]node, error) {
		if err := c.authenticate("ec2"); err != nil {
			return nil, err
		}
		if err := c.params.only(append(members, "Action", "Version", "DryRun")); err != nil {
			return nil, err
		}
		c.aws.mu.Lock()
		defer c.aws.mu.Unlock()
		return run(&ec2Call{c, "ec2:" + name, c.aws.accounts[c.caller.account]})
	}}
}

// only refuses parameters that the simulator would ignore, such as filters.
func (p params) only(known []string) error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		first, _, _ := strings.Cut(name, ".")
		if !slices.Contains(known, first) && !strings.HasPrefix(name, "X-Amz-") {
			return refuse(http.StatusBadRequest, "UnknownParameter", "The parameter %s is not simulated", name)
		}
	}
	return nil
}

// numbered returns Name.1, Name.2 and so on.
func (p params) numbered(name string) (found []string) {
	for i := 1; p.has(name + "." + strconv.Itoa(i)); i++ {
		found = append(found, p.get(name+"."+strconv.Itoa(i)))
	}
	return found
}

// permit checks the action on each resource. With DryRun it then says that the call would
// have succeeded.
func (c *ec2Call) permit(resources ...string) error {
	for _, resource := range resources {
		v := evaluateIdentity(ask(c.caller, c.action, resource, c.facts()))
		if !v.allowed {
			on := ""
			if resource != "*" {
				on = " on resource: " + resource
			}
			return refuse(http.StatusForbidden, "UnauthorizedOperation",
				"You are not authorized to perform this operation. %s", v.sentence(c.caller, c.action, on))
		}
	}
	if c.params.get("DryRun") == "true" {
		return refuse(http.StatusPreconditionFailed, "DryRunOperation",
			"Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}

func describeRegions(c *ec2Call) ([]node, error) {
	if err := c.permit("*"); err != nil {
		return nil, err
	}
	item := group("item", leaf("regionName", c.region), leaf("regionEndpoint", "ec2."+c.region+".amazonaws.com"),
		leaf("optInStatus", "opt-in-not-required"))
	return []node{group("regionInfo", item)}, nil
}

func describeInstances(c *ec2Call) ([]node, error) {
	if err := c.permit("*"); err != nil {
		return nil, err
	}
	found, err := c.instances(c.params.numbered("InstanceId"))
	if err != nil {
		return nil, err
	}
	list := group("instancesSet")
	for _, i := range found {
		list.kids = append(list.kids, i.node())
	}
	reservations := group("reservationSet")
	if len(found) > 0 {
		reservations.kids = []node{group("item", leaf("reservationId", "r-"+c.account.id),
			leaf("ownerId", c.account.id),
			list)}
	}
	return []node{reservations}, nil
}

// instances returns those with the ids, or all of the region, oldest first.
func (c *ec2Call) instances(ids []string) (found []*instance, err error) {
	for _, i := range c.account.instances {
		if i.region == c.region && (len(ids) == 0 || slices.Contains(ids, i.id)) {
			found = append(found, i)
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(i *instance) bool { return i.id == id }) {
			return nil, refuse(http.StatusBadRequest, "InvalidInstanceID.NotFound",
				"The instance ID '%s' does not exist", id)
		}
	}
	return found, nil
}

func runInstances(c *ec2Call) ([]node, error) {
	image := c.params.get("ImageId")
	if !strings.HasPrefix(image, "ami-") {
		return nil, refuse(http.StatusBadRequest, "InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")",
			image)
	}
	region := "arn:" + c.caller.partition + ":ec2:" + c.region + ":"
	if err := c.permit(region+c.account.id+":instance/*", region+":image/"+image); err != nil {
		return nil, err
	}
	count, err := strconv.Atoi(c.params.get("MaxCount"))
	if err != nil || count < 1 || count > 100 {
		return nil, refuse(http.StatusBadRequest, "InvalidParameterValue", "Value for MaxCount must be 1 to 100")
	}
	list := group("instancesSet")
	for range count {
		i := &instance{id: newInstanceID(), region: c.region, image: image, launched: c.now,
			kind: c.params.get("InstanceType")}
		c.account.instances = append(c.account.instances, i)
		list.kids = append(list.kids, i.node())
	}
	return []node{leaf("reservationId", "r-"+c.account.id), leaf("ownerId", c.account.id), list}, nil
}

func newInstanceID() string {
	b := make([]byte, 9)
	rand.Read(b)
	return "i-" + hex.EncodeToString(b)[:17]
}

func terminateInstances(c *ec2Call) ([]node, error) {
	ids := c.params.numbered("InstanceId")
	var resources []string
	for _, id := range ids {
		resources = append(resources, (&instance{id: id, region: c.region}).arn(c.account))
	}
	if len(ids) == 0 {
		return nil, refuse(http.StatusBadRequest, "MissingParameter",
			"The request must contain the parameter InstanceId")
	}
	if err := c.permit(resources...); err != nil {
		return nil, err
	}
	found, err := c.instances(ids)
	if err != nil {
		return nil, err
	}
	list := group("instancesSet")
	for _, i := range found {
		before := i.state("previousState")
		i.terminated = true
		list.kids = append(list.kids, group("item", leaf("instanceId", i.id), i.state("currentState"), before))
	}
	return []node{list}, nil
}
