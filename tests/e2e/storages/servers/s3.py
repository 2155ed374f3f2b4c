"""Serve S3 (moto) with checked signatures on a free port of the address that is its argument.

Print one JSON line, then upload each folder that a JSON line of standard input names, answering with an empty
line, and serve until standard input ends. Run by .venv/servers, whose packages conflict with
kronkeep's.
"""

import json
import os
import sys
from pathlib import Path

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
storage = boto3.client(
    "s3",
    endpoint_url=connection["endpoint_url"],
    region_name=connection["region_name"],
    aws_access_key_id=key["AccessKeyId"],
    aws_secret_access_key=key["SecretAccessKey"],
)
for asked in sys.stdin:
    task = json.loads(asked)
    folder = Path(task["folder"])
    try:
        storage.head_bucket(Bucket=task["bucket"])
    except storage.exceptions.ClientError:
        storage.create_bucket(Bucket=task["bucket"])
    for path in folder.rglob("*"):
        if path.is_file():
            name = f"{task['prefix']}/{path.relative_to(folder)}"
            storage.put_object(Bucket=task["bucket"], Key=name, Body=path.read_bytes())
    sys.stdout.write("\n")
    sys.stdout.flush()
server.stop()
