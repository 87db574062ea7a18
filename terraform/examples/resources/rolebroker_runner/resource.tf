variable "issuer" {
  description = "The cluster's OpenID Connect issuer: aws_eks_cluster has it in identity[0].oidc[0].issuer"
  type        = string
}

resource "rolebroker_runner" "production" {
  name        = "eks-production"
  description = "The production cluster"
  issuer      = var.issuer

  lifecycle {
    create_before_destroy = true # so that one apply can remove it, or replace it under another name
  }
}

# It joins with the token that rolebroker runner join-token eks-production prints.
