"""Arrays as bodies of HTTP requests and responses, with FastAPI.

    pip install fastapi httpx2 uvicorn
    python examples/fastapi_bodies.py
    uvicorn --app-dir examples fastapi_bodies:app      # a server of it
"""

from typing import Annotated

import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient

import ndbytes as ndb

MOST = 64 << 20
app = FastAPI()


class ArrayResponse(Response):
    media_type = ndb.MEDIA_TYPE

    def render(self, content):
        return ndb.dumps(content)


async def array_of(request: Request):
    """The array that was sent, or the answer that says what is wrong with it."""
    if request.headers.get("content-type") != ndb.MEDIA_TYPE:
        raise HTTPException(415, f"send {ndb.MEDIA_TYPE}")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST:
            raise HTTPException(413, f"at most {MOST} bytes")
    try:
        return ndb.loads(data, expect="<f4[?,3]", limits=ndb.Limits.untrusted())
    except ndb.Error as error:
        raise HTTPException(422, str(error)) from None


@app.post("/lengths", response_class=ArrayResponse)
async def lengths(vectors: Annotated[np.ndarray, Depends(array_of)]):
    return ArrayResponse(np.linalg.norm(vectors, axis=1))


def main():
    client, headers = TestClient(app), {"content-type": ndb.MEDIA_TYPE}
    vectors = np.array([[3, 4, 0], [0, 0, 2]], "<f4")
    answer = client.post("/lengths", content=ndb.dumps(vectors), headers=headers)
    print(answer.status_code, answer.headers["content-type"], ndb.loads(answer.content))

    answer = client.post("/lengths", content=ndb.dumps(vectors.astype("<f8")), headers=headers)
    print(answer.status_code, answer.json()["detail"])


if __name__ == "__main__":
    main()
