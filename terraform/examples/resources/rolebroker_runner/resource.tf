variable "issuer" {
  description = "The cluster's OpenID Connect issuer: aws_eks_cluster has it in identity[0].oidc[0].issuer"
  type        = string
}

resource "rolebroker_runner" "production" {
  name        = "eks-production"
  description = "The production cluster"
  issuer      = var.issuer

  lifecycle {
    create_before_destroy = true # so that it can be taken out, or replaced under another name, in one apply
  }
}

# It joins with what rolebroker runner join-token eks-production prints.
