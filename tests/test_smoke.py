import sys,types
try:
    import engines.rewards.shapes
except ImportError:
    m=types.ModuleType("engines.rewards.shapes"); m.RewardProblem=type("RewardProblem",(Exception,),{}); m.check=lambda *a: None
    sys.modules["engines.rewards.shapes"]=m
import pytest
pytestmark = pytest.mark.anyio
async def test_up(server):
    async with server.client() as c:
        r = await c.get("/health")
        assert r.json() == {"status": "ok"}
    from resolvers import jobs, datasets, reward_functions, deployments
    from pathlib import Path
    ctx = await server.context()
    import tempfile
    p=Path(tempfile.mktemp()); p.write_text('{"prompt":"1+1","answer":"2"}\n')
    ds=await datasets.create(ctx, datasets.DatasetInput(name="a"), p)
    rf=await reward_functions.create(ctx, reward_functions.RewardFunctionInput(name="r",source=b"def reward(prompts, completions, **kw):\n    return [1.0]*len(completions)\n"))
    j=await jobs.create(ctx, jobs.JobInput.model_validate(dict(base_model="tiny",dataset_id=ds.id,reward_function_id=rf.id,output_name="x",gpu={"gpu_type":"h100","gpu_count":1})))
    print(j)
    print(await jobs.rows(ctx,j.id,"logs"))
    print(await jobs.cancel(ctx,j.id))
    async for b in jobs.follow(ctx,j.id,"events"): print(b)
