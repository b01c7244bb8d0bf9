"""Serve moto's AWS on the port given, with CloudFormation that takes templates as they are.

moto refuses a template for warnings of cfn-lint too, which AWS does not; tests/architecture looks for its errors.
"""

import sys

from moto.cloudformation import models

from desk.local.moto_server import main

if __name__ == "__main__":
    setattr(models, "validate_template_cfn_lint", lambda _template: [])  # noqa: B010 - moto does not export it
    main(int(sys.argv[1]))
