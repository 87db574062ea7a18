package rolebroker

import (
	"encoding/json"
	"slices"
	"strings"
)

// MaxExemptPolicy is the longest exempt policy of a connection, in characters: as long as a managed policy of IAM.
const MaxExemptPolicy = 6144

// ParseExemptPolicy checks an IAM policy document whose calls need no approval, and returns it without white space
// between its parts. It has no conditions and no policy variables: the gateway judges by it, and only AWS knows their
// values. wrong is as ParseSessionPolicy's.
func ParseExemptPolicy(text string) (policy string, wrong []Field) {
	return parsePolicy(text, policyWalk{most: MaxExemptPolicy, taker: "a connection takes", plain: true})
}

// checkExempt adds what is wrong with the ExemptPolicy, under path.
func (c *Connection) checkExempt(path string, p *problems) {
	switch {
	case c.ExemptPolicy == "":
	case c.Approval != ApprovalCall:
		p.add(path+"exempt_policy", "is allowed only with approval call, and the approval is %s",
			Quote(string(c.Approval)))
	default:
		_, wrong := ParseExemptPolicy(c.ExemptPolicy)
		for _, f := range wrong {
			f.Path = path + "exempt_policy" + f.Path
			*p = append(*p, f)
		}
	}
}

// getCallerIdentity needs no permission, and AWS refuses it to nobody.
//
// Source: STS API Reference, GetCallerIdentity.
const getCallerIdentity = "sts:GetCallerIdentity"

// Exempts reports whether the ExemptPolicy surely allows a call with a role. What is not known is not exempt. Nobody is
// asked about the question who the caller is: every SDK asks it.
func (c *Connection) Exempts(actions, resources []string, role RoleARN) bool {
	if len(actions) == 1 && actions[0] == getCallerIdentity {
		return true
	}
	if c.ExemptPolicy == "" {
		return false
	}
	policy, err := ReadPolicy(c.ExemptPolicy)
	return err == nil && policy.Judge(actions, resources, role) == PolicyAllowing
}

// ReadBuckets returns an exempt policy that allows to list and read S3 buckets, by their names or ARNs, in a partition.
// Codes: invalid.
func ReadBuckets(partition string, buckets []string) (policy string, err error) {
	var p problems
	var lists, reads []string
	for _, bucket := range buckets {
		in := partition
		if parts := strings.SplitN(bucket, ":", 6); len(parts) == 6 && parts[0] == "arn" && parts[2] == "s3" {
			in, bucket = parts[1], parts[5]
		}
		bucket = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(bucket, "s3://"), "/*"), "/")
		if !isBucketName(bucket) {
			p.add("exempt_bucket", "%s is not the name or the ARN of a bucket, as in reports or arn:aws:s3:::reports",
				Quote(bucket))
			continue
		}
		arn := "arn:" + in + ":s3:::" + bucket
		if !slices.Contains(lists, arn) {
			lists, reads = append(lists, arn), append(reads, arn+"/*")
		}
	}
	if len(buckets) == 0 {
		p.add("exempt_bucket", "is required: the name or the ARN of a bucket")
	}
	if err := p.err("the connection"); err != nil {
		return "", err
	}
	type statement struct {
		Effect           string
		Action, Resource []string
	}
	text, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{
		{"Allow", []string{"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"}, lists},
		{"Allow", []string{"s3:GetObject", "s3:GetObjectAttributes", "s3:GetObjectTagging", "s3:GetObjectVersion"},
			reads},
	}})
	return string(text), err
}

// BucketsRead returns the ARNs of the buckets that an exempt policy is for. ok is false if it is not as ReadBuckets
// makes it.
func BucketsRead(policy string) (arns []string, ok bool) {
	p, err := ReadPolicy(policy)
	if err != nil || len(p.statements) == 0 {
		return nil, false
	}
	arns = p.statements[0].Resource
	same, err := ReadBuckets("", arns)
	return arns, err == nil && same == policy
}

// isBucketName reports whether S3 takes a name for a bucket.
//
// Source: Amazon S3 User Guide, "Bucket naming rules"; old buckets may have capital letters and underscores.
func isBucketName(name string) bool {
	return len(name) >= 3 && len(name) <= 255 && only(name, func(c byte) bool {
		return isNameStart(c) || strings.IndexByte(".-_", c) >= 0
	})
}
