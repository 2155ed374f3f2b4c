"""Serve S3 (moto) with checked signatures on a free port of the address that is its argument.

Print one JSON line and serve until standard input ends. Run by .venv/servers, whose packages conflict with
kronkeep's.
"""

import json
import os
import sys

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"  # the three calls below; all later ones need the key

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address=sys.argv[1], port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
connection = {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"}
connection |= {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
iam = boto3.client("iam", **connection)
iam.create_user(UserName="kronkeep")
statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
iam.put_user_policy(UserName="kronkeep", PolicyName="all", PolicyDocument=policy)
key = iam.create_access_key(UserName="kronkeep")["AccessKey"]
line = {"endpoint": connection["endpoint_url"], "id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
sys.stdout.write(json.dumps(line) + "\n")
sys.stdout.flush()
sys.stdin.read()
server.stop()
